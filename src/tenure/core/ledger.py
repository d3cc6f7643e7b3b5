"""The ledger: for every slot of a model, who owns it, or from whom and through which view it is borrowed."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from tenure.core import paths
from tenure.core.errors import Party, RuleError, UnknownSlotError, brief, nearest

if TYPE_CHECKING:
    from tenure.core.slot import Slot


@dataclasses.dataclass(frozen=True)
class Row:
    """One slot.

    Attributes:
      path: absolute.
      kind: "owned", "borrowed" or "given".
      collection: "params" or "state".
      shape, dtype: of the slot; for an owner in a layer stack, of all layers.
      owners: the owners' paths; the slot's own for an owned one; several for a concatenation.
      chain: from this slot to its owner, hop by hop.
      views: the views of all hops, from the owner's value to this slot's, as text.
      borrows: the reference to the next slot of the chain, as text.
      axes: logical axis names.
      origin: what tied it: "share", "ties", "declare" or "".
      asker, site: the module that asked, and where.
      notes: what a reader should know: an override, an initialiser that is not used.
      layers: for a borrower, the number of layers of the stacks around it: it is used in each.
      stages: what its value goes through, in order; those of one use last.
      part_of, stage: for a leaf that a stage keeps, whose it is, and the stage's name; `asker` is then the stage itself.
      frozen: whether a stage keeps gradients from it.
    """

    path: str
    kind: str
    collection: str
    shape: tuple[int, ...]
    dtype: str
    owners: tuple[str, ...]
    chain: tuple[str, ...]
    views: tuple[str, ...] = ()
    borrows: str = ""
    axes: tuple[str | None, ...] | None = None
    origin: str = ""
    asker: str = ""
    site: str = ""
    notes: tuple[str, ...] = ()
    layers: int = 1
    stages: tuple[str, ...] = ()
    part_of: str = ""
    stage: str = ""
    frozen: bool = False

    def is_valid(self, known: set[str]) -> bool:
        """Whether all values are of their types, and all owners among the `known` paths: for rows from a file."""
        texts = self.path, self.dtype, self.borrows, self.origin, self.asker, self.site, self.part_of, self.stage
        many = self.owners, self.chain, self.views, self.notes, self.stages
        sizes = isinstance(self.shape, tuple) and all(type(n) is int and 0 <= n < 2**63 for n in self.shape[:64])
        return (
            self.kind in ("owned", "borrowed", "given")
            and self.collection in ("params", "state")
            and all(isinstance(text, str) for text in texts)
            and all(isinstance(item, tuple) and all(isinstance(text, str) for text in item) for item in many)
            and (
                self.axes is None
                or (isinstance(self.axes, tuple) and all(isinstance(a, str | None) for a in self.axes))
            )
            and (type(self.layers) is int and 0 <= self.layers < 2**63 and type(self.frozen) is bool)
            and (not self.part_of or self.part_of in known)
            and (sizes and len(self.shape) <= 64 and self.bytes >= 0)
            and (self.chain[:1] == (self.path,) and (len(self.chain) > 1) == (self.kind == "borrowed"))
            and (bool(self.owners) and known.issuperset((*self.owners, *self.chain)))
        )

    @property
    def stage_kind(self) -> str:
        """For a leaf that a stage keeps: what kind of stage, whatever its name is."""
        return self.asker.partition("(")[0] if self.part_of else ""

    @property
    def count(self) -> int:
        """The number of elements; of a borrower, in all layers that it stands in."""
        return math.prod(self.shape) * self.layers

    @property
    def bytes(self) -> int:
        """What the elements take in memory."""
        return self.count * (
            0 if self.dtype == "tree" else jnp.dtype(self.dtype).itemsize if not self.dtype.startswith("key") else 8
        )

    def party(self, role: str) -> Party:
        """This row as a row of an error."""
        return Party(role, self.path, f"{self.shape} {self.dtype}", self.site, self.asker)


class Ledger:
    """Who owns, who borrows. Made by `plan`; equal for equal models; `Ledger.from_json(ledger.to_json()) == ledger`.

    >>> import jax.numpy as jnp, tenure as tn
    >>> from tenure import nn
    >>> def lm(tokens):
    ...     embed = nn.Embed(11, 4, name="embed")
    ...     return nn.Linear(11, with_bias=False, share={"w": embed.ref("embeddings").T}, name="head")(embed(tokens))
    >>> ledger = tn.transform(lm).plan(jnp.zeros((2, 3), int)).ledger
    >>> ledger.users_of("embed/embeddings")
    ('embed/embeddings', 'head/w')
    >>> ledger.count()
    44
    """

    def __init__(self, rows: Iterable[Row]):
        self.rows = tuple(rows)
        self._params = {r.path: r for r in self.rows if r.collection == "params"}
        self._state = {r.path: r for r in self.rows if r.collection == "state"}

    @staticmethod
    def of(slots: Mapping[str, Slot], states: Mapping[str, Slot]) -> Ledger:
        """The ledger of linked slots."""
        return Ledger([_row(s, table) for table in (slots, states) for s in table.values()])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ledger) and self.rows == other.rows

    def __hash__(self) -> int:
        return hash(self.rows)

    @property
    def owners(self) -> tuple[str, ...]:
        """The owners' paths: one for each leaf of `params`."""
        return tuple(r.path for r in self._params.values() if r.kind == "owned")

    @property
    def borrowers(self) -> tuple[str, ...]:
        """The borrowers' paths."""
        return tuple(r.path for r in self._params.values() if r.kind == "borrowed")

    def __getitem__(self, path: str) -> Row:
        """The row of a slot.

        Raises:
          UnknownSlotError: there is none.
        """
        for table in (self._params, self._state) if isinstance(path, str) else ():
            if path in table:
                return table[path]
        everything = [*self._params, *self._state]
        found = [p for p in everything if isinstance(path, str) and paths.plain(p) == paths.plain(path)]
        if len(found) == 1:
            return self[found[0]]
        raise UnknownSlotError(
            f"the ledger has no slot {brief(path)}",
            near=nearest(path, everything) if isinstance(path, str) else (),
            ways=["print(ledger) shows all paths"],
        )

    def owner_of(self, path: str) -> str:
        """The path of the slot's owner: its own path if it is owned, or given.

        Raises:
          UnknownSlotError: there is no such slot, or it is put together from several owners.
        """
        owners = self.owners_of(path)
        if len(owners) > 1:
            raise UnknownSlotError(
                f"'{path}' has {len(owners)} owners: {', '.join(owners)}", ways=["use ledger.owners_of(path)"]
            )
        return owners[0]

    def owners_of(self, path: str) -> tuple[str, ...]:
        """The paths of all owners that a slot's value is made of."""
        return self[path].owners

    def users_of(self, path: str) -> tuple[str, ...]:
        """All slots that use the owner at `path`, itself first."""
        row = self[path]
        table = self._params if row.collection == "params" else self._state
        return tuple(r.path for r in table.values() if row.path in r.owners)

    def chain_of(self, path: str) -> tuple[str, ...]:
        """From the slot to its owner, hop by hop."""
        return self[path].chain

    def describe_owners(self, path: str) -> str:
        """The owners of a slot, for a message."""
        return ", ".join(self.owners_of(path))

    def count(self, module: str | None = None, *, uses: bool = False) -> int:
        """The number of parameters, each counted once: of the model, or of what a module (with its parts) owns.

        Args:
          module: a module's path.
          uses: count every use instead, as accounting for compute does: a matrix with three users three times.
        """
        rows = [r for r in self._params.values() if r.kind == "owned" or (uses and r.kind == "borrowed")]
        if module is not None:
            rows = [r for r in rows if r.path.startswith(module + "/") or paths.plain(r.path).startswith(module + "/")]
        return sum(r.count for r in rows)

    def bytes(self) -> int:
        """What the parameters take in memory."""
        return sum(r.bytes for r in self._params.values() if r.kind == "owned")

    def counts(self) -> dict[str, tuple[int, int]]:
        """For each module: (parameters that it owns, parameters that it borrows). The first column adds up to `count()`."""
        table: dict[str, tuple[int, int]] = {}
        for row in self._params.values():
            module = paths.split(row.path)[0]
            owned, borrowed = table.get(module, (0, 0))
            if row.kind == "owned":
                owned += row.count
            elif row.kind == "borrowed":
                borrowed += row.count
            table[module] = owned, borrowed
        return table

    def labels(self, rule: Callable[[Row], Any] | Mapping[str, Any], default: Any = None) -> dict[str, dict[str, Any]]:
        """A label for each leaf of `params`, say for `optax.multi_transform`.

        Args:
          rule: a function of an owner's row, or globs → labels, of which the first match counts; `@lora` selects the
            leaves that stages of that name keep.
          default: the label where no glob matches.

        Raises:
          RuleError: a glob selects no owner: it is written for a borrower, or for nothing.
        """
        choose = rule if callable(rule) else self._by_glob(rule, default)
        tree: dict[str, dict[str, Any]] = {}
        for path in self.owners:
            module, name = paths.split(path)
            tree.setdefault(module, {})[name] = choose(self._params[path])
        return tree

    def mask(self, rule: Callable[[Row], bool] | str | Iterable[str]) -> dict[str, dict[str, bool]]:
        """True for each leaf of `params` that the rule selects, say for `optax.masked`.

        Args:
          rule: a function of an owner's row, or a glob, or several. `@lora` selects the leaves that stages of that name
            keep, `decoder/**@lora` those of some owners.

        Raises:
          RuleError: as in `labels`.
        """
        if callable(rule):
            return self.labels(lambda row: bool(rule(row)))
        globs = _globs(rule)
        return self.labels(dict.fromkeys(globs, True), default=False)

    def _by_glob(self, rules: Mapping[str, Any], default: Any) -> Callable[[Row], Any]:
        if not isinstance(rules, Mapping):
            raise RuleError(
                f"labels are a function of a row, or globs → labels, not {brief(rules)}",
                ways=["{'**/b': 'bias'}, or a mask"],
            )
        chosen = {glob: set(self.select(glob)) for glob in rules}
        return lambda row: next((v for g, v in rules.items() if row.path in chosen[g]), default)

    def select(self, glob: str) -> list[str]:
        """The owners that a glob selects.

        Raises:
          RuleError: it selects none.
        """
        if not isinstance(glob, str):
            raise RuleError(
                f"a rule is a glob such as '**/w', not {brief(glob)}", ways=["'**/w', 'encoder/**', 'embed/w'"]
            )
        glob, at, stage = glob.partition("@")
        if at:
            return self._of_stage(glob or "**", stage)
        found = paths.select(glob, self.owners)
        if found:
            return found
        users = paths.select(glob, self.borrowers)
        if users:
            user = self._params[users[0]]
            owner = self._params.get(user.owners[0], user)
            raise RuleError(
                f"the rule '{glob}' is written for '{user.path}', which is borrowed: rules go by owner",
                parties=[user.party("user"), owner.party("owner")],
                ways=[
                    f"write it for the owner:  '{owner.path}'",
                    f"for this use only:  a view, such as '{user.borrows or owner.path} | stop_gradient'",
                ],
            )
        raise RuleError(
            f"the rule {brief(glob)} selects nothing",
            near=nearest(glob, [*self.owners, *self.borrowers]),
            ways=["'**' matches across '/', '*' within a name", "print(ledger) shows all paths"],
        )

    def _of_stage(self, glob: str, stage: str) -> list[str]:
        kept = [r for r in self._params.values() if r.part_of]
        found = [r.path for r in kept if stage in (r.stage, r.stage_kind) and paths.matches(glob, r.part_of)]
        if found:
            return found
        names = dict.fromkeys(name for r in kept for name in (r.stage, r.stage_kind))
        raise RuleError(
            f"no stage {brief(stage)} keeps a leaf for what '{glob}' selects",
            near=nearest(stage, names),
            ways=[f"stages that keep leaves: {', '.join(names) or '(none)'}", "'@lora', 'decoder/**@lora'"],
        )

    def trainable(self) -> dict[str, dict[str, bool]]:
        """True for each leaf of `params` that a gradient is meant to reach: False for what a stage freezes."""
        return self.labels(lambda row: not row.frozen)

    def shardings(self, mesh: Any, rules: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """A `NamedSharding` for each leaf of `params`.

        Args:
          mesh: a `jax.sharding.Mesh`.
          rules: logical axis name → mesh axis (or None); or a glob with '/' or '*' → a `PartitionSpec`. Globs come first.

        Raises:
          RuleError: a glob that selects no owner, a name that no owner's axes have, or a mesh axis that does not exist.
        """
        globs = {k: v for k, v in rules.items() if "/" in k or "*" in k}
        names = {k: v for k, v in rules.items() if k not in globs}
        used = {a for p in self.owners for a in self._params[p].axes or ()}
        for name, axis in names.items():
            if name not in used:
                raise RuleError(
                    f"no owner has an axis named '{name}'",
                    near=nearest(name, [u for u in used if u]),
                    ways=["name axes where the parameter is asked for: get_parameter(..., axes=('vocab', 'embed'))"],
                )
            for part in (axis,) if isinstance(axis, str) else axis or ():
                if part not in mesh.axis_names:
                    raise RuleError(
                        f"the mesh has no axis '{part}'",
                        near=list(mesh.axis_names),
                        ways=["use one of the mesh's axes"],
                    )
        spec = jax.sharding.PartitionSpec
        by_glob = self._by_glob(globs, None)

        def choose(row: Row) -> Any:
            chosen = by_glob(row)
            if chosen is None:
                chosen = spec(*(names.get(a) if a else None for a in row.axes or ()))
            return jax.sharding.NamedSharding(mesh, chosen if isinstance(chosen, spec) else spec(*chosen))

        return self.labels(choose)

    def placement(self, stages: Mapping[str, str | Iterable[str]]) -> list[dict[str, Any]]:
        """The ties that cross a boundary between pipeline stages or FSDP units.

        Args:
          stages: stage name → glob, or globs, of the slots that it holds; the first match counts.

        Returns:
          For each: owner, its stage, user, its stage, the bytes of the owner.

        Raises:
          RuleError: a slot that no stage holds.
        """
        if not isinstance(stages, Mapping):
            raise RuleError(
                f"stages are names → globs, not {brief(stages)}", ways=["{'first': 'embed/**', 'second': '**'}"]
            )
        globs = {name: _globs(g) for name, g in stages.items()}

        def stage(path: str) -> str:
            for name, patterns in globs.items():
                if any(paths.matches(g, path) for g in patterns):
                    return name
            raise RuleError(
                f"no stage holds '{path}'",
                parties=[self[path].party("slot")],
                ways=["add a glob for it, or a last stage '**'"],
            )

        return [
            {"owner": o, "owner_stage": stage(o), "user": r.path, "user_stage": stage(r.path), "bytes": self[o].bytes}
            for r in self._params.values()
            if r.kind == "borrowed"
            for o in r.owners
            if stage(o) != stage(r.path)
        ]

    def to_json(self) -> str:
        """The ledger as JSON; `Ledger.from_json` reads it back."""
        return json.dumps({"tenure_ledger": 1, "rows": [dataclasses.asdict(r) for r in self.rows]}, indent=1)

    @staticmethod
    def from_json(text: str | Mapping[str, Any]) -> Ledger:
        """A ledger from `to_json`'s string.

        Raises:
          UnknownSlotError: it is none.
        """
        try:
            data = json.loads(text) if isinstance(text, (str, bytes)) else text
            rows = [Row(**{k: _frozen(v) for k, v in row.items()}) for row in data["rows"]]
            known = {r.path for r in rows}
            if wrong := [r for r in rows if not r.is_valid(known)]:
                raise ValueError(f"the row of {brief(wrong[0].path)}")
            if len({(r.collection, r.path) for r in rows}) < len(rows):
                raise ValueError("two rows for one slot")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as e:
            raise UnknownSlotError(
                f"not a ledger as JSON: {str(e)[:200]}", ways=["use the string of ledger.to_json()"]
            ) from None
        return Ledger(rows)

    def __str__(self) -> str:
        from tenure.core import report

        return report.table(self)

    def __repr__(self) -> str:
        return f"Ledger({len(self.owners)} owners, {len(self.rows)} slots)"

    def to_mermaid(self) -> str:
        """Owners and borrowers as a Mermaid flowchart."""
        from tenure.core import report

        return report.mermaid(self)

    def to_dot(self) -> str:
        """Owners and borrowers as a Graphviz graph."""
        from tenure.core import report

        return report.dot(self)

    def to_html(self, title: str = "Ledger") -> str:
        """One self-contained page: the tree of modules, who owns, who borrows, through which view."""
        from tenure.core import page

        return page.html(self, title)


def _globs(rule: Any) -> list[str]:
    """One glob, or several.

    Raises:
      RuleError: it is neither.
    """
    if isinstance(rule, str):
        return [rule]
    if isinstance(rule, (list, tuple, set, frozenset)) and all(isinstance(glob, str) for glob in rule):
        return list(rule)
    raise RuleError(f"a rule is a glob, or several, not {brief(rule)}", ways=["'**/w', or ['embed/w', '**/b']"])


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value


def _row(slot: Slot, slots: Mapping[str, Slot]) -> Row:
    owners, chain, steps = _follow(slot, slots)
    notes = list(slot.notes)
    if slot.source.hides is not None:
        notes.append(
            f"{slot.source.origin} overrides {slot.source.hides.origin}='{slot.source.hides.ref or slot.source.hides.kind}'"
        )
    if slot.kind != "owned" and slot.explicit_init:
        notes.append("its own initialiser is not used")
    if any("⟨" in step for step in steps):
        notes.append("not serialisable: a Python function as view")
    return Row(
        slot.path,
        slot.kind,
        slot.collection,
        slot.full_shape if slot.kind == "owned" else slot.shape,
        str(slot.full_dtype),
        owners,
        chain,
        steps,
        str(dataclasses.replace(slot.target, absolute=False)) if slot.target else "",
        slot.axes,
        slot.source.origin or ("declare" if slot.declared else ""),
        slot.asker,
        str(slot.site),
        tuple(notes),
        math.prod(n for _, n in slot.stack) if slot.kind != "owned" else 1,
        (*map(str, slot.stages), *(f"on_use({stage})" for stage in slot.use_stages)),
        slot.part_of,
        slot.stage,
        slot.frozen,
    )


def _follow(slot: Slot, slots: Mapping[str, Slot]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Owners, chain and views of a slot."""
    if slot.target is None:
        return (slot.path,), (slot.path,), ()
    owners, chain, steps = _follow(slots[slot.target.path], slots)
    for other in slot.target.others():
        owners += _follow(slots[other.path], slots)[0]
    return tuple(dict.fromkeys(owners)), (slot.path, *chain), steps + tuple(map(str, slot.target.views))


__all__ = ["Ledger", "Row"]
