"""The frame of a run under Haiku's rules: the first request makes a value, keys come in the order of the calls."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import get_opaque_trace_state

from tenure.core.errors import OutsideTransformError, Party, TenureError
from tenure.core.model.kinds import in_evaluation
from tenure.core.notation import paths
from tenure.core.run import state as states
from tenure.core.run import values
from tenure.core.run.frame import NOTHING, Entry, Frame, Mode, ids, maybe_frame, placeholder
from tenure.core.sites import call_site
from tenure.core.slots.plan import Plan
from tenure.core.slots.sources import Sources
from tenure.haiku import config
from tenure.haiku.engine.keys import PRNGSequence, missing_key

Bundles = dict[str, dict[str, Any]]

KEYS: Entry = ("keys", "")  # the sequence of keys, among what goes into the body of a transformation and comes out


class StatePair(NamedTuple):
    """A state's first value, which `init` returns, and its newest, which `apply` returns."""

    initial: Any
    current: Any


class JaxUsageError(TenureError):
    """A raw JAX transformation around code with side effects."""


class HaikuFrame(Frame):
    """One run of a function.

    What the function creates is written, as what it sets: `("params", path)`; `("initial", path)` and `("state", path)`.

    Attributes:
      params: those that `apply` was given.
      rngs: the key sequences, the one in use last.
      called_by: module path → the modules that it called but that have other prefixes.
      deferred_values: the parameters that known initialisers will make after this run, if it leaves that to them.
      lender: a frame with all owners' values, in a second run that creates.
      stack_around: the frame around the layer stack that this frame is a layer of.
      around: the frame around this one.
    """

    params: Bundles

    def __init__(
        self,
        mode: Mode,
        sources: Sources | None = None,
        *,
        profile: Any,
        params: Bundles | None = None,
        state: Mapping[str, Mapping[str, Any]] | None = None,
        rng: PRNGSequence | None = None,
        plan: Plan | None = None,
    ):
        super().__init__(mode, sources or Sources(), params=params, plan=plan, training=not in_evaluation())
        self.profile = profile
        self._places = {f"{m}/{n}": (m, n) for m, bundle in (state or {}).items() for n in bundle}
        for path, (module, name) in self._places.items():
            self.layers[0]["state", path] = self.layers[0]["initial", path] = state[module][name]  # type: ignore[index]
        self._modules = list(state or {})
        self.rngs: list[PRNGSequence | None] = [rng]
        self.epoch = next(ids)
        self.called_by: dict[str, set[str]] = {}
        self.teardown: list[Callable[[], None]] = []
        self.lender: Frame | None = None
        self.deferred_values: dict[str, Any] | None = None
        self.stack_around: HaikuFrame | None = None
        self.around: Frame | None = None

    def forget(self) -> None:
        """Keeps the recorded slots only: no value of a trace that ends."""
        self.release()
        self.given, self.rngs = {}, [None]
        self.layers, self.scopes, self.deferred_values = [{}], [], None

    @property
    def creating(self) -> bool:  # type: ignore[override]
        return self.mode is not Mode.APPLY

    @property
    def rng(self) -> PRNGSequence | None:
        return self.rngs[-1]

    def bundles(self, *kinds: str) -> Bundles:
        """The entries of some kinds as nested dicts, without the parameters that `apply` was given."""
        found: Bundles = {m: {} for m in self._modules} if "params" not in kinds else {}
        for (kind, path), value in self.visible().items():
            if kind in kinds:
                module, name = self._places.get(path) or paths.split(path)
                found.setdefault(module, {})[name] = value
        return found

    def stored(self) -> Bundles:
        """A copy of the parameters: at init those made so far, at apply all."""
        return {m: dict(bundle) for m, bundle in self.params.items()} | self.bundles("params")

    def stored_value(self, path: str) -> Any:
        """The parameter of that path, or None."""
        if self.mode is not Mode.APPLY:
            return self.read(("params", path))
        module, name = paths.split(path)
        return self.params.get(module, {}).get(name)

    @property
    def lifted_prefix(self) -> str | None:  # type: ignore[override]
        if not self.creating:
            return None
        found: list[str] = []
        running: Frame | None = self
        while running is not None:
            prefix = getattr(running.scope.module, "prefix_name", None)
            found += [prefix] if prefix else []
            running = getattr(running, "around", None)
        return "/".join(reversed(found)) + "/" if found else None

    @contextlib.contextmanager
    def active(self) -> Iterator[Frame]:
        outer = maybe_frame()
        saved = self.around, self.trace, self.opener
        self.around = outer if outer is not self else self.around
        with super().active():
            yield self
            for callback in self.teardown:
                callback()
        self.around, self.trace, self.opener = saved

    def handed_in(self) -> dict[Entry, Any]:
        return {} if self.rng is None else {KEYS: self.rng.internal_state}

    def lane_keys(self, args: Any, in_axes: Any) -> dict[Entry, Any]:
        count = _mapped_size(args, in_axes)
        if self.rng is None:
            raise missing_key()
        return {KEYS: (jnp.stack(self.rng.take(count)), ())}

    def carried(self) -> dict[Entry, Any]:
        if self.rng is not None:  # so that loops and branches carry the same number of keys
            self.rng.reserve_up_to_full()
        return {**super().carried(), **self.handed_in()}

    @contextlib.contextmanager
    def branch(
        self, snapshot: Any, entries: Mapping[Entry, Any], *_: Any, carries: bool = False, keeps_names: bool = False
    ) -> Iterator[dict[Entry, Any]]:
        scope, counters, used, _ = snapshot
        known = KEYS in entries and self.rng is not None
        self.rngs.append(self.rng.continued(entries[KEYS]) if known else None)  # type: ignore[union-attr]
        try:
            with super().branch(snapshot, entries) as writes:
                yield writes
                if self.rng is not None:
                    if carries:
                        self.rng.reserve_up_to_full()
                    writes.update(self.handed_in())
        finally:
            self.rngs.pop()
            if not keeps_names:
                scope.counters, scope.used = dict(counters), dict(used)

    def next_carry(self, carried: Mapping[Entry, Any], writes: Mapping[Entry, Any], construct: str) -> dict[Entry, Any]:
        made = sorted(paths.split(path) for kind, path in writes if kind == "params")
        if made and construct not in ("tn.cond", "tn.switch"):
            raise AssertionError(f"New parameters were created: {made}")
        return {**carried, **writes}  # JAX says where one branch, or step, leaves something else than another

    def check_test(self, entries: Mapping[Entry, Any], writes: Mapping[Entry, Any]) -> None:
        before, after = entries.get(KEYS), writes.get(KEYS)
        drawn = before is not None and (after[0] is not before[0] or len(after[1]) != len(before[1]))  # type: ignore[index]
        if drawn or any(entry != KEYS for entry in writes):
            raise ValueError(
                "`hk.while_loop` does not support `hk.set_state`, `hk.next_rng_key` (et al) in `cond_fun`."
            )

    def merge(self, writes: Mapping[Entry, Any]) -> None:
        keys = writes.get(KEYS)
        super().merge({entry: jax.tree.map(_as_array, value) for entry, value in writes.items() if entry != KEYS})
        if keys is not None and self.rng is not None:
            self.rng.replace_internal_state(keys)

    def write(self, entry: Entry, value: Any) -> None:
        if entry[0] == "state" and self.read(entry, NOTHING) is NOTHING:
            super().write(("initial", entry[1]), value)
        super().write(entry, value)

    @property
    def shows_modules(self) -> bool:  # type: ignore[override]
        return config.get_config().module_auto_repr

    def belongs(self, path: str, module: str) -> bool:
        owner = path.rpartition("/")[0]
        return path.startswith(module + "/") or owner in self.called_by.get(module, ())

    def borrowed_value(self, slot: Any) -> Any:
        """A borrowed slot's value while the function creates: a stand-in, unless a first run has made the owners."""
        if self.lender is None:
            return placeholder(slot.shape, slot.dtype)
        if slot.collection == "state":
            return states.read_state(self.lender, slot.path)
        return values.evaluate(self.lender, slot.path)


def _as_array(value: Any) -> Any:
    """`value`; a number that JAX made of a constant result becomes an array again."""
    return jnp.asarray(value, getattr(value, "dtype", None)) if isinstance(value, (int, float)) else value


def _mapped_size(args: Any, in_axes: Any) -> int:
    """How many lanes there are."""

    def sizes(axis: int | None, arrays: Any) -> Any:
        if axis is None:
            return None
        shapes = [a.shape for a in jax.tree.leaves(arrays)]
        found = {s[axis] for s in shapes}
        if len(found) != 1:
            raise ValueError(
                f"Arrays must have the same mapped axis size, found sizes {found} for input shapes {shapes}"
            )
        return found.pop()

    return jax.tree.leaves(jax.tree.map(sizes, in_axes, args, is_leaf=lambda x: x is None))[0]


def the_frame(what: str) -> HaikuFrame:
    """The running frame.

    Raises:
      OutsideTransformError: there is none, or it belongs to `tn.transform`.
    """
    frame = maybe_frame()
    if not isinstance(frame, HaikuFrame):
        raise outside(what)
    return frame


def outside(what: str) -> TenureError:
    """The error of a function that is used outside of any transformed one."""
    return OutsideTransformError(
        f"`hk.{what}` must be used as part of an `hk.transform`",
        parties=[Party("asker", f"hk.{what}", "", str(call_site()))],
        ways=["model = hk.transform(lambda x: hk.Linear(3)(x)); params = model.init(key, x)"],
    )


def inside_transform() -> bool:
    """Whether a transformed function is running."""
    return maybe_frame() is not None


_closed: contextvars.ContextVar[int] = contextvars.ContextVar("tenure_haiku_closed", default=-1)


@contextlib.contextmanager
def closed_to_outside() -> Iterator[None]:
    """Within, modules that were built before can not be used."""
    token = _closed.set(next(ids))
    try:
        yield
    finally:
        _closed.reset(token)


def check_usage(frame: HaikuFrame, what: str) -> None:
    """Raises `JaxUsageError` if the setting asks for it, and a raw JAX transformation is around the caller."""
    if config.get_config().check_jax_usage and get_opaque_trace_state(convention="tenure") != frame.trace:
        raise usage_error(what)


def usage_error(what: str) -> JaxUsageError:
    """The error of a function with side effects inside of a raw JAX transformation; `what` is its name."""
    return JaxUsageError(
        f"`hk.{what}` has a side effect, and runs inside of a raw JAX transformation, which expects a pure function: "
        "use the Haiku overloaded transform (`hk.vmap`, `hk.cond`, `hk.scan`, …) instead of the `jax.*` one",
        ways=["hk.vmap, hk.jit, hk.scan, hk.cond, … inside of hk.transform", "hk.config.set(check_jax_usage=False)"],
    )


JaxUsageError.__module__ = "tenure.haiku"
