"""The frame: everything that one run of a model's function knows, and the scopes of the modules that the code is in."""

from __future__ import annotations

import contextlib
import contextvars
import enum
import itertools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import get_opaque_trace_state

from tenure.core.errors import OutsideTransformError, Party, StateError
from tenure.core.keys import Keys
from tenure.core.run.hooks import GetterContext
from tenure.core.sites import Site, caching_transform, call_site, opener
from tenure.core.slots.plan import Plan
from tenure.core.slots.requests import Maker
from tenure.core.slots.slot import Request
from tenure.core.slots.sources import Sources
from tenure.core.trees import flat, nest

Params = Mapping[str, Mapping[str, Any]]
Entry = tuple[str, str]  # ("state" | "initial" | "params" | "stage", path); a front end's own kinds

NOTHING = object()  # where no value is: None may be a state

ids = itertools.count()  # of scopes, and of bodies of transformations: each larger than all before


class Mode(enum.Enum):
    """What a run of the model's function is for."""

    PLAN = "plan"  # abstract: slots are recorded, nothing is allocated
    INIT = "init"  # concrete: what only the forward pass can create is created
    APPLY = "apply"  # values come from params and state
    READ = "read"  # as apply, outside of any run: one value is wanted


class Scope:
    """One call of a module's method, or one name scope: what is built inside takes its names from here."""

    __slots__ = ("counters", "id", "method", "module", "origin", "path", "used")

    def __init__(self, path: str, method: str, module: Any = None, origin: Any = None):
        self.path, self.method, self.module, self.origin = path, method, module, origin
        self.counters: dict[str, int] = {}
        self.used: dict[str, Any] = {}  # names given out here → the line that asked
        self.id = next(ids)

    @property
    def prefix(self) -> str:
        """What comes before the names of what is built inside."""
        if self.method == "__call__":
            return self.path
        return f"{self.path}/~" if self.method == "__init__" else f"{self.path}/~{self.method}"


class StackSlice(NamedTuple):
    """The layer of a stack that a scan body computes: one slice of each stacked owner, seen only inside."""

    prefix: str
    size: int
    params: Mapping[str, Any] = {}


class Frame:
    """One run of a model's function.

    Attributes:
      mode: what the run is for.
      params: the owners' arrays as handed to `apply` (or drawn by `init`).
      sources: where slots that are not simply owned come from: ties, shares, declarations.
      requests, state_requests: what was asked for so far, by path (recorded while planning).
      makers: path → who made the first request for it.
      modes: path → (training, inside of a loop) of all requests for it.
      plan: what the run reads: how each slot's value is made. Made before the run starts; empty while planning.
      layers: written state, innermost transformation last.
      trace: the JAX trace that the code belongs to: the model's, or that of one of Tenure's own transformations.
      opener: the Python frame that opened that trace; see `sites.opener`.
      stand_ins: the values that a plan works with, by shape and dtype.
      training: whether stochastic stages draw.
      staged: `table.Staged.key` → what has come out of the stages so far; None where no slot has stages, and before they are applied.
      profile: the front end that runs the function, where it is not the core's own; see `profile.by_profile`.
      planning: whether slots are recorded: `mode` is `Mode.PLAN`.
      shows_modules: whether modules show the call that built them.
      creating: whether the first request for a parameter makes it: a loop's first step then runs before the others, and counts.
    """

    profile: Any = None
    creating = False
    shows_modules = True
    lifted_prefix: str | None = None  # where an inner model's parameters will be, in front ends that have such models

    def __init__(
        self,
        mode: Mode,
        sources: Sources,
        *,
        params: Params | None = None,
        state: dict[str, Any] | None = None,
        keys: Keys | None = None,
        plan: Plan | None = None,
        deferred: frozenset[Entry] = frozenset(),
        training: bool = True,
    ):
        self.mode, self.sources, self.keys, self.deferred = mode, sources, keys, deferred
        self.planning = mode is Mode.PLAN
        self.plan = plan or Plan({}, {}, None, {})
        self.params: Params = params or {}
        self.asked: set[str] = set()  # the leaves that were looked up
        self.layers: list[dict[Entry, Any]] = [{("state", k): v for k, v in (state or {}).items()}]
        self.requests: dict[str, Request] = {}
        self.state_requests: dict[str, Request] = {}
        self.makers: dict[str, Maker] = {}
        self.modes: dict[str, set[tuple[bool, bool]]] = {}
        self.given: dict[str, Any] = {}
        self.training = training
        self.staged: dict[str, Any] | None = None
        self.key_counts: dict[str, int] = {}
        self.scopes: list[Scope] = [Scope("", "__call__")]
        self.stack_slices: list[StackSlice] = []
        self.epoch = 0
        self.order = itertools.count()
        self.trace: Any = None
        self.opener = 0
        self.stand_ins: dict[Any, jax.Array] = {}
        self.outer: Any = None

    @property
    def inner(self) -> bool:
        """Whether the code is inside of a loop or another transformation, whose values do not outlive it."""
        return get_opaque_trace_state(convention="tenure") != self.outer

    def request(self, path: str, shape: Any, dtype: Any, **more: Any) -> Request:
        """The request for a slot that the running code makes: who asks, and where, is noted here.

        Args:
          path: the slot's.
          shape, dtype: what is asked for.
          **more: further attributes of `Request`.
        """
        module, site, asker = self.scope.module, call_site(), "get_parameter"
        if module is not None:
            asker = module._asker()
            site = module.__dict__["_construction"].site if site.in_package else site
        stack = tuple((one.prefix, one.size) for one in self.stack_slices if path.startswith(one.prefix + "/"))
        return Request(path, shape, dtype, asker=asker, site=site, order=next(self.order), stack=stack, **more)

    def asker(self, path: str) -> Party:
        """Who asks for a slot, for an error about what is asked."""
        return self.request(path, (), None).party("asker")

    def maker(self) -> Maker:
        """The module, or the name scope, that asks, and how it was built."""
        module, scope = self.scope.module, self.scope
        return (scope, scope.origin) if module is None else (module, module.__dict__["_construction"])

    def told(self, path: str, shape: Any, dtype: Any, init: Any) -> GetterContext:
        """What creators and getters are told about a request of the running code."""
        return GetterContext(path, self.scope.module, dtype, shape, init, self.lifted_prefix)

    def note_mode(self, path: str) -> None:
        """Notes in which mode, and where, a slot is asked for."""
        self.modes.setdefault(path, set()).add((self.training, self.inner))

    def unmade(self, prefix: str = "") -> bool:
        """Whether an initial value, of a slot below `prefix`, still waits for the forward pass to make it."""
        kinds = {"params": "params", "state": "initial"}
        return any(path.startswith(prefix) and self.read((kinds[kind], path)) is None for kind, path in self.deferred)

    def skipping(self) -> tuple[str, Site] | None:
        """The raw JAX transformation around the code that would not run it again, and the line that called it."""
        return caching_transform(self.opener) if get_opaque_trace_state(convention="tenure") != self.trace else None

    def stand_in(self, shape: tuple[int, ...], dtype: Any) -> jax.Array:
        """A value to plan with: one for all parameters of a shape and a dtype, outside of transformations."""
        if self.inner:
            return placeholder(shape, dtype, inner=True)
        key = shape, dtype
        if key not in self.stand_ins:
            self.stand_ins[key] = placeholder(shape, dtype)
        return self.stand_ins[key]

    @property
    def abstract(self) -> bool:
        """Whether values are stand-ins, so that a body runs once, whatever the loop."""
        return self.planning and not self.creating

    @property
    def settled(self) -> bool:
        """Whether the plan has resolved all that modules share, so that a run need not read what they say of it."""
        return self.mode is Mode.APPLY and not self.plan.plain and not self.plan.gives

    @property
    def scope(self) -> Scope:
        """The innermost scope."""
        return self.scopes[-1]

    @contextlib.contextmanager
    def active(self) -> Iterator[Frame]:
        """Makes this the frame of the running code."""
        token = _current.set(self)
        self.trace = self.outer = get_opaque_trace_state(convention="tenure")
        self.opener = opener()
        try:
            yield self
        finally:
            _current.reset(token)
            self.trace = self.outer = None

    @contextlib.contextmanager
    def within(self, scope: Scope) -> Iterator[None]:
        """Within, what is built has its name from this scope."""
        self.scopes.append(scope)
        try:
            yield
        finally:
            self.scopes.pop()

    def release(self) -> None:
        """Forgets what belongs to the trace that ends; the recorded requests live on."""
        self.keys = None
        self.sources.release()
        self.makers, self.stand_ins = {}, {}

    def read(self, entry: Entry, default: Any = None) -> Any:
        """The newest value written for an entry, or `default`."""
        for layer in reversed(self.layers):
            if entry in layer:
                return layer[entry]
        return default

    def write(self, entry: Entry, value: Any) -> None:
        """Writes into the innermost transformation's layer."""
        self.layers[-1][entry] = value

    def visible(self) -> dict[Entry, Any]:
        """All entries as they are now."""
        merged: dict[Entry, Any] = {}
        for layer in self.layers:
            merged.update(layer)
        return merged

    def snapshot(self) -> tuple[Any, ...]:
        """What a transformed function must start from, each time that JAX runs it."""
        scope = self.scope
        return scope, dict(scope.counters), dict(scope.used), dict(self.key_counts)

    def handed_in(self) -> dict[Entry, Any]:
        """What a transformation is called with for its body, next to the arguments."""
        return {}

    def lane_keys(self, args: Any, in_axes: Any) -> dict[Entry, Any]:
        """What each lane of a `vmap` over `args` is called with instead, stacked, if lanes draw random keys of their own."""
        return {}

    def carried(self) -> dict[Entry, Any]:
        """What a loop carries: all state, as it is now."""
        return {e: v for e, v in self.visible().items() if e[0] == "state"}

    @contextlib.contextmanager
    def branch(
        self,
        snapshot: tuple[Any, ...],
        entries: Mapping[Entry, Any],
        index: Any = None,
        stack_slice: StackSlice | None = None,
        *,
        carries: bool = False,
        keeps_names: bool = False,
    ) -> Iterator[dict[Entry, Any]]:
        """The body of a JAX transformation: its own trace, its own layer of writes, names from the same start.

        Args:
          snapshot: `snapshot()` as it was when the transformation was called.
          entries: values of this trace for what the body may read (a loop's carried state).
          index: the step or lane, folded into the random keys drawn inside; a callable is asked when needed.
          stack_slice: the layer's slices, in a layer stack.
          carries: whether the body is a step, or one of several branches, so that as much must come out as went in.
          keeps_names: for front ends where names that a body takes are free again: whether they stay taken.

        Yields:
          What the body wrote.
        """
        scope, counters, used, counts = snapshot
        writes: dict[Entry, Any] = {}
        saved = self.trace, self.opener, self.keys, self.epoch, self.scopes
        self.trace, self.opener = get_opaque_trace_state(convention="tenure"), opener()
        self.epoch = next(ids)
        self.scopes = list(self.scopes)
        scope.counters, scope.used, self.key_counts = dict(counters), dict(used), dict(counts)
        depth = len(self.layers)
        self.layers += [dict(entries), writes]
        if index is not None and self.keys is not None:
            self.keys = self.keys.at(index)
        if stack_slice is not None:
            self.stack_slices.append(stack_slice)
        try:
            yield writes
        finally:
            del self.layers[depth:]
            self.trace, self.opener, self.keys, self.epoch, self.scopes = saved
            if stack_slice is not None:
                self.stack_slices.pop()

    def next_carry(self, carried: Mapping[Entry, Any], writes: Mapping[Entry, Any], construct: str) -> dict[Entry, Any]:
        """What a loop carries after a step.

        Raises:
          StateError: the step sets a state that is not there before the loop.
        """
        new = [path for kind, path in writes if (kind, path) not in carried]
        if new:
            raise StateError(
                f"the state '{new[0]}' is set inside of {construct}, and the state given to apply does not have it",
                parties=[
                    Party("state", new[0], f"(no value before {construct})"),
                    Party("set in", construct, "", str(call_site())),
                ],
                ways=[
                    "use the state that init of this model returned: init makes what is first set inside",
                    "for params and state of another model, add what it lacks:  {**model.init(key, …)[1], **state}",
                ],
            )
        return {**carried, **writes}

    def check_test(self, entries: Mapping[Entry, Any], writes: Mapping[Entry, Any]) -> None:
        """Asked about the test of a `while_loop`, whose writes are dropped."""

    def merge(self, writes: Mapping[Entry, Any]) -> None:
        """Takes over what a transformed function wrote."""
        self.layers[-1].update(writes)

    def bundles(self, *kinds: str) -> dict[str, dict[str, Any]]:
        """The entries of some kinds, by module and name."""
        return nest({path: value for (kind, path), value in self.visible().items() if kind in kinds})

    def made(self, collection: str, module: str) -> dict[str, Any]:
        """The "params" or the "state" of a module that there are so far, by full name."""
        found = flat(self.params, collection) if collection == "params" else {}
        found |= {path: value for (kind, path), value in self.visible().items() if kind == collection}
        return {path: value for path, value in found.items() if self.belongs(path, module)}

    def belongs(self, path: str, module: str) -> bool:
        """Whether a slot is a module's, or one of the modules' inside of it."""
        return path.startswith(module + "/")

    def stacked_params(self, prefix: str) -> dict[str, Any]:
        """A layer stack's own leaves, with all their layers; inside of another stack, of the layer that runs."""
        found = {}
        covered = self.plan.covered if self.staged is not None else ()
        for module, entries in self.params.items():
            if module == prefix or module.startswith(prefix + "/"):
                leaves = {f"{module}/{name}": value for name, value in entries.items()}
                found.update({path: value for path, value in leaves.items() if path not in covered})
        found.update({key: value for key, value in (self.staged or {}).items() if key.startswith(prefix + "/")})
        for stack_slice in self.stack_slices:
            found.update({p: v for p, v in stack_slice.params.items() if p in found})
        return found


_current: contextvars.ContextVar[Frame | None] = contextvars.ContextVar("tenure_frame", default=None)


#: `maybe_frame()`: the running frame, if any.
maybe_frame = _current.get


def current_frame(what: str) -> Frame:
    """The running frame.

    Raises:
      OutsideTransformError: there is none; `what` names the function that needed it.
    """
    frame = _current.get()
    if frame is None:
        raise OutsideTransformError(
            f"`{what}` must be used inside a function that tn.transform runs",
            parties=[Party("asker", what, "", str(call_site()))],
            ways=[
                "model = tn.transform(lambda x: nn.Linear(3)(x)); params = model.init(key, x)",
                "tn.transform_with_state, if the model keeps state",
            ],
        )
    return frame


def is_training(given: Any, what: str) -> Any:
    """Whether a layer acts as in training: as its argument says, or as the mode of the run does if that is None.

    Args:
      given: the layer's argument.
      what: the layer, for the error of one without the argument outside of any run.

    Raises:
      OutsideTransformError: nothing is given, and no transformed function is running.
    """
    if given is not None:
        return given
    frame = current_frame(what)
    if frame.profile is not None:
        raise TypeError(f"{what} needs its argument: a program of this front end says itself whether it trains")
    return frame.training


def stand_ins(tree: Any, *leading: int) -> Any:
    """Values to plan with like arrays or their shapes, with further axes in front."""
    return jax.tree.map(lambda a: jax.lax.empty((*leading, *a.shape), a.dtype), tree)


def placeholder(shape: tuple[int, ...], dtype: Any, inner: bool = False) -> jax.Array:
    """A value to plan with; inside a trace it costs one equation and no memory.

    Args:
      shape, dtype: of the value.
      inner: whether a transformation is around it: to `jax.vmap`, `jax.lax.empty` is another value in each lane.
    """
    if inner and not jax.dtypes.issubdtype(dtype, jax.dtypes.extended):
        return jax.lax.broadcast(np.zeros((), dtype), shape)
    return jax.lax.empty(shape, dtype)
