"""Where a slot comes from: `ties=` from outside, then `share=`, then its module's own."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from tenure.core.errors import Party, PathSyntaxError, TenureError, brief
from tenure.core.notation import paths
from tenure.core.notation.refs import Ref
from tenure.core.sites import NOWHERE, Site, call_site
from tenure.core.slots.stage_rules import Rules


class Policy(str):
    """A word in `share=` or `ties=`: `tn.own`, `tn.forbid`. As data it is "@own", "@forbid": no path begins with "@".

    >>> import json, tenure as tn
    >>> json.loads(json.dumps({"w": tn.own}))["w"] == tn.own
    True
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return self.removeprefix("@")

    def __reduce__(self) -> str:  # one object, whatever copies it
        return repr(self)


own = Policy("@own")
forbid = Policy("@forbid")


_WORDS: dict[Any, str] = {None: "own", own: "own", forbid: "forbid"}


def _policy(value: Any) -> str:
    """ "own" or "forbid", if an entry is one of the words, or what the word became in JSON; else ""."""
    return _WORDS.get(value, "") if value is None or isinstance(value, str) else ""


class Source(NamedTuple):
    """What is to fill a slot.

    Attributes:
      kind: "own", "borrow", "given" or "forbid".
      ref: what to borrow, as written.
      value: the array, if given.
      origin: "ties", "share", "declare" or "" (the module's own).
      key: the entry's key as written.
      base: the module from whose siblings a relative reference is looked up; "" for the root.
      site: where the entry was written.
      or_own: own it if the reference leads nowhere.
      hides: the entry that this one overrides.
    """

    kind: str
    ref: Ref | None = None
    value: Any = None
    origin: str = ""
    key: str = ""
    base: str = ""
    site: Site = NOWHERE
    or_own: bool = False
    hides: Source | None = None


OWN = Source("own")


def read(value: Any, origin: str, key: str, base: str = "", site: Site = NOWHERE) -> Source:
    """The source that an entry of `share=` or `ties=` describes.

    Args:
      value: as written.
      origin: "ties" or "share".
      key: the entry's.
      base: the module that asks, "" for ties, whose references start at the root.
      site: the line.

    Raises:
      TenureError: the entry is none of the forms.
    """
    common: dict[str, Any] = dict(origin=origin, key=key, base=base, site=site)
    if policy := _policy(value):
        return Source(policy, **common)
    if isinstance(value, (Ref, str)):
        try:
            ref = Ref.parse(value)
        except TenureError as e:
            parties = [Party(origin, key, f"→ {brief(value)}", str(site))]
            raise e.again(f"{origin} entry '{key}': {e.rule}", parties) from None
        return Source("borrow", ref=ref if base or ref.absolute else dataclasses.replace(ref, absolute=True), **common)
    if isinstance(value, (jax.Array, np.ndarray)):
        return Source("given", value=value, **common)
    raise PathSyntaxError(
        f"{origin} entry '{key}' is {type(value).__name__}, which says nothing about an owner",
        parties=[Party(origin, key, f"→ {brief(value)}", str(site))],
        ways=[
            "a reference: module.ref('w'), or a string 'embed/w | transpose'",
            "an array, for a value that the forward pass computed",
            "None or tn.own: the module owns it",
        ],
    )


def _module_path(value: Any) -> str | None:
    """The path of a module, None for anything else."""
    path = getattr(value, "module_name", None)
    return path if isinstance(path, str) else None


def read_wildcard(value: Any, origin: str, base: str, site: Site) -> Source:
    """The policy that a `"*"` entry describes: a module or its path, `[path, None]`, `tn.own` or `tn.forbid`.

    The path of a lender is the module's: of each parameter, the name there is put behind it.

    Args:
      value: what is written for `"*"`.
      origin: "ties" or "share".
      base: the module that asks, "" for ties.
      site: the line.

    Raises:
      PathSyntaxError: it is none of these.
    """
    or_own = False
    if isinstance(value, (list, tuple)) and len(value) == 2 and _policy(value[1]) == "own":
        value, or_own = value[0], True
    common: dict[str, Any] = dict(origin=origin, key="*", base=base, site=site, or_own=or_own)
    if policy := _policy(value):
        return Source(policy, **common)
    if (lender := _module_path(value)) is not None:
        return Source("borrow", Ref(lender, (), True), **common)
    if isinstance(value, str):
        path = paths.check(value.removeprefix("/"), "module path")
        return Source("borrow", Ref(path, (), value.startswith("/") or not base), **common)
    raise PathSyntaxError(
        f"{origin} entry '*' is {type(value).__name__}, which says nothing about an owner",
        parties=[Party(origin, f"{base or '…'}/*", f"→ {brief(value)}", str(site))],
        ways=["a module, or a module's path", "[path, None]: own what the other lacks", "tn.own", "tn.forbid"],
    )


def _tie(key: Any, site: Site) -> str:
    """The path that a key of `ties=` names; that of a whole module ends in `/*`."""
    bare = key.removeprefix("/") if isinstance(key, str) else key
    whole = isinstance(bare, str) and bare.endswith("/*")
    try:
        return paths.check(bare[:-2] if whole else bare, "tie") + "/*" * whole
    except PathSyntaxError as e:
        raise PathSyntaxError(e.rule, parties=[Party("ties", brief(key), "", str(site))], ways=e.ways) from None


class Sources:
    """The ties of a model and the shares of the modules built so far.

    Attributes:
      ties, shares: path → source; `module/*` → that of the module's other parameters.
      declared: (module's path, local name) → the request that `tn.declare` made there, and its scope.
      used: (origin, key) of the entries that slots asked for.
    """

    def __init__(self, ties: Mapping[str, Any] | None = None, stages: Any = None, on_borrowed: str = "error"):
        self.stages = Rules(stages, on_borrowed, call_site() if stages else NOWHERE)
        self.ties: dict[str, Source] = {}
        self.shares: dict[str, Source] = {}
        self.declared: dict[tuple[str, str], tuple[Any, Any]] = {}
        self.used: set[tuple[str, str]] = set()
        if ties is not None and not isinstance(ties, Mapping):
            raise PathSyntaxError(f"ties= is a dict, not {type(ties).__name__}", ways=["ties={'head/w': 'embed/w'}"])
        site = call_site() if ties else NOWHERE
        for key, value in (ties or {}).items():
            path = _tie(key, site)
            if path in self.ties:
                raise PathSyntaxError(
                    f"ties= has two entries for '{path}'",
                    parties=[Party("ties", path, "", str(site)), Party("ties", key, "", str(site))],
                    ways=["keep one: 'embed/w' and '/embed/w' are the same"],
                )
            whole = path.endswith("/*")
            self.ties[path] = read_wildcard(value, "ties", "", site) if whole else read(value, "ties", path, site=site)

    def fresh(self) -> Sources:
        """The same ties, nothing built yet: for a new run."""
        new = copy.copy(self)
        new.shares, new.declared, new.used, new.stages = {}, {}, set(), self.stages.fresh()
        return new

    def add_share(self, module: str, share: Any, site: Site) -> None:
        """Registers the `share=` of a module.

        Args:
          module: its path.
          share: as written: a dict, or a module or a path to borrow everything from.
          site: the line.

        Raises:
          PathSyntaxError: what is written is no share.
        """
        if isinstance(share, str) or _module_path(share) is not None:
            share = {"*": share}
        if not isinstance(share, Mapping):
            raise PathSyntaxError(
                f"share= of '{module}' is {type(share).__name__}, not a dict",
                parties=[Party("share", module, brief(share), str(site))],
                ways=["share={'w': other.ref('w')}", "share=other, to borrow everything from another module"],
            )
        plain = paths.plain(module)
        for key, value in share.items():
            if key == "*":
                self.shares[f"{plain}/*"] = read_wildcard(value, "share", module, site)
            else:
                paths.check(key, "name in share=")
                self.shares[paths.plain(f"{module}/{key}")] = read(value, "share", key, module, site)

    def of(self, path: str) -> Source:
        """The source of a slot: ties, then shares, then the module's own."""
        if not (self.ties or self.shares):
            return OWN
        plain = paths.plain(path)
        inside = self._found("share", self.shares, plain, plain)
        tied = self._found("ties", self.ties, path, plain)
        return (inside or OWN) if tied is None else tied._replace(hides=inside)

    def _found(self, origin: str, entries: Mapping[str, Source], path: str, plain: str) -> Source | None:
        """The entry for a slot, or the nearest one for the rest of a module around it, which is then used.

        Args:
          origin: "ties" or "share".
          entries: all of them.
          path, plain: the slot's, with and without method segments.
        """
        key = path if path in entries else plain
        if key in entries:
            self.used.add((origin, key))
            return entries[key]
        module = plain
        while entries and "/" in module:
            module = module.rpartition("/")[0]
            wild = entries.get(f"{module}/*")
            if wild is not None:
                self.used.add((origin, f"{module}/*"))
                ref, local = wild.ref, plain[len(module) + 1 :]
                return wild._replace(ref=ref and dataclasses.replace(ref, path=f"{ref.path}/{local}"))
        return None

    def release(self) -> None:
        """Forgets values of the trace that ends."""
        self.shares = {k: s._replace(value=None) for k, s in self.shares.items()}

    def unused(self) -> list[tuple[str, Source]]:
        """The entries that no slot asked for; `share={"*": tn.own}` need not be."""
        found = [(k, s) for k, s in (*self.ties.items(), *self.shares.items()) if (s.origin, k) not in self.used]
        return [(k, s) for k, s in found if s.origin == "ties" or s.kind == "borrow" or not k.endswith("/*")]
