"""The frame of a run under Haiku's rules: parameters and state as nested dicts, a stack of key sequences."""

from __future__ import annotations

import contextlib
import contextvars
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
from jax.extend.core import get_opaque_trace_state

from tenure.core.errors import OutsideTransformError, Party, TenureError
from tenure.core.model.kinds import in_evaluation
from tenure.core.notation import paths
from tenure.core.run import values
from tenure.core.run.frame import Entry, Frame, Mode, Scope, StackSlice, current_frame, maybe_frame, placeholder
from tenure.core.run.values import apply_stages
from tenure.core.sites import call_site, opener
from tenure.core.slots.plan import Plan
from tenure.core.slots.sources import Sources
from tenure.haiku import config
from tenure.haiku.engine.keys import PRNGSequence

Bundles = dict[str, dict[str, Any]]

_ids = itertools.count()


class StatePair(NamedTuple):
    """A state's first value, which `init` returns, and its newest, which `apply` returns."""

    initial: Any
    current: Any


class JaxUsageError(TenureError):
    """A raw JAX transformation around code with side effects."""


class HaikuFrame(Frame):
    """One run of a function.

    Attributes:
      params: `{module: {name: array}}`; grows while the function creates.
      state: `{module: {name: StatePair}}`.
      rngs: the key sequences, the one in use last.
      id: changes inside of each transformation, so that a module knows where it was built.
      called_by: module path → the modules that it called but that have other prefixes.
      deferred_values: the parameters that known initialisers will make after this run, if it leaves that to them.
      unplanned: whether nobody will ask for a plan of this run, so that slots need not be described.
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
        super().__init__(mode, sources or Sources(), plan=plan, training=not in_evaluation())
        self.profile = profile
        self.params = {} if params is None else params
        self.state: Bundles = {
            m: {n: StatePair(v, v) for n, v in bundle.items()} for m, bundle in (state or {}).items()
        }
        self.rngs: list[PRNGSequence | None] = [rng]
        self.id = self.epoch = next(_ids)
        self.called_by: dict[str, set[str]] = {}
        self.teardown: list[Callable[[], None]] = []
        self.unplanned = False
        self.lender: Frame | None = None
        self.deferred_values: dict[str, Any] | None = None
        self.stack_around: HaikuFrame | None = None
        self.around: Frame | None = None

    def forget(self) -> None:
        """Keeps the recorded slots only: no value of a trace that ends."""
        self.release()
        self.params, self.state, self.given, self.rngs = {}, {}, {}, [None]
        self.layers, self.scopes, self.deferred_values = [{}], [], None

    @property
    def frozen(self) -> bool:
        """Whether parameters exist already: at apply."""
        return self.mode is Mode.APPLY

    @property
    def rng(self) -> PRNGSequence | None:
        return self.rngs[-1]

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

    @contextlib.contextmanager
    def traced(self) -> Iterator[None]:
        """Within, the running JAX trace is the one that side effects belong to."""
        saved = self.trace, self.opener
        self.trace, self.opener = get_opaque_trace_state(convention="tenure"), opener()
        try:
            yield
        finally:
            self.trace, self.opener = saved

    @contextlib.contextmanager
    def body(self, rng: Any, *, shares_names: bool) -> Iterator[None]:
        """The body of a JAX transformation: its own params, state and keys, copied from what is there.

        Args:
          rng: the internal state of the keys to draw from, or None.
          shares_names: whether names that the body takes stay taken.
        """
        saved = self.params, self.state, self.scopes, self.id, self.epoch
        names = [] if shares_names else [(s, dict(s.counters), dict(s.used)) for s in self.scopes]
        if not self.frozen:
            self.params = {m: dict(bundle) for m, bundle in self.params.items()}
        self.state = {m: dict(bundle) for m, bundle in self.state.items()}
        self.scopes = self.scopes if shares_names else list(self.scopes)
        self.id = self.epoch = next(_ids)
        self.rngs.append(None if rng is None or self.rng is None else self.rng.continued(rng))
        try:
            with self.traced():
                yield
        finally:
            self.rngs.pop()
            self.params, self.state, self.scopes, self.id, self.epoch = saved
            for scope, counters, used in names:
                scope.counters, scope.used = counters, used

    def read(self, entry: Entry, default: Any = None) -> Any:
        kind, path = entry
        module, name = paths.split(path)
        if kind == "state":
            pair = self.state.get(module, {}).get(name)
            return default if pair is None else pair.current
        return super().read(entry, default)

    def write(self, entry: Entry, value: Any) -> None:
        kind, path = entry
        if kind != "state":
            return super().write(entry, value)
        module, name = paths.split(path)
        bundle = self.state.setdefault(module, {})
        bundle[name] = StatePair(bundle[name].initial if name in bundle else value, value)
        return None

    def begin_stages(self) -> None:
        """Hands the state of stages over to them, and applies those that loops need."""
        for path in {path for slot in self.plan.slots.values() for path in slot.parts.values()}:
            module, name = paths.split(path)
            if name in self.state.get(module, {}):
                self.layers[0]["state", path] = self.state[module].pop(name).current
        apply_stages(self)

    def shows_modules(self) -> bool:
        return config.get_config().module_auto_repr

    def made(self, collection: str) -> Iterator[tuple[str, Any]]:
        bundles = self.params if collection == "params" else self.state
        for module, bundle in bundles.items():
            for name, value in bundle.items():
                yield f"{module}/{name}", value if collection == "params" else value.current

    def belongs(self, path: str, module: str) -> bool:
        owner = path.rpartition("/")[0]
        return path.startswith(module + "/") or owner in self.called_by.get(module, ())

    def borrowed_value(self, slot: Any) -> Any:
        """A borrowed slot's value while the function creates: a stand-in, unless a first run has made the owners."""
        if self.lender is None:
            return placeholder(slot.shape, slot.dtype)
        return values.evaluate(self.lender, slot.path)


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
    token = _closed.set(next(_ids))
    try:
        yield
    finally:
        _closed.reset(token)


def check_usage(frame: HaikuFrame, what: str) -> None:
    """Raises `JaxUsageError` if the setting asks for it, and a raw JAX transformation is around the caller."""
    if config.get_config().check_jax_usage and get_opaque_trace_state(convention="tenure") != frame.trace:
        raise usage_error(what)


def usage_error(what: str) -> JaxUsageError:
    return JaxUsageError(
        f"`hk.{what}` has a side effect, and runs inside of a raw JAX transformation, which expects a pure function: "
        "use the Haiku overloaded transform (`hk.vmap`, `hk.cond`, `hk.scan`, …) instead of the `jax.*` one",
        ways=["hk.vmap, hk.jit, hk.scan, hk.cond, … inside of hk.transform", "hk.config.set(check_jax_usage=False)"],
    )


def lift_prefix(frame: HaikuFrame) -> str | None:
    """Where a lifted function's parameters will be stored, while it is initialised."""
    if frame.frozen:
        return None
    found: list[str] = []
    running: Frame | None = frame
    while running is not None:
        prefix = getattr(running.scope.module, "prefix_name", None)
        if prefix:
            found.append(prefix)
        running = getattr(running, "around", None)
    return "/".join(reversed(found)) + "/" if found else None


JaxUsageError.__module__ = "tenure.haiku"

__all__ = ["Bundles", "HaikuFrame", "JaxUsageError", "Mode", "Scope", "StackSlice", "StatePair", "current_frame", "jax"]
