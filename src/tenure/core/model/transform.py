"""`transform`: a function that builds and calls modules → the pure functions `plan`, `init`, `apply`."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

from tenure.core.errors import MissingParameterError, NonEmptyStateError, Party, TenureError, brief
from tenure.core.keys import Keys, as_key
from tenure.core.model.explained import explained, unbound_axis
from tenure.core.model.extras import check_extras, extra_leaves
from tenure.core.model.initial import draw, draw_uses
from tenure.core.model.kinds import Pure, Transformed, TransformedWithState, in_evaluation
from tenure.core.model.planning import in_single_lanes, linked, traced
from tenure.core.model.plans import Plans
from tenure.core.picklable import check_picklable
from tenure.core.run.frame import Entry, Frame, Mode, Params, current_frame
from tenure.core.run.values import apply_stages
from tenure.core.sites import call_site
from tenure.core.slots.plan import Plan
from tenure.core.slots.slot import Slot
from tenure.core.slots.sources import Sources
from tenure.core.traces import without_collection
from tenure.core.trees import flat, nest


class Model:
    """A function, its ties and stages, and the plans made of it so far."""

    def __init__(
        self, function: Any, ties: Any, stages: Any = None, on_borrowed: str = "error", strict: bool | None = None
    ):
        if not callable(function):
            raise TenureError(
                f"tn.transform takes a function, not {type(function).__name__}", ways=["tn.transform(lambda x: …)"]
            )
        self.function, self.sources = function, Sources(ties, stages, on_borrowed)
        self.ties, self.stages = dict(ties or {}), dict(stages or {})
        self.strict = strict
        self.allowed: set[frozenset[str]] = set()  # leaves beyond the model's that were looked at once
        self.forget()

    def forget(self) -> None:
        """Forgets all plans, in training and in evaluation."""
        self._modes = {training: Plans(self.function, self._make_plan) for training in (True, False)}

    @property
    def plans(self) -> Plans:
        """The plans for the mode that the model is called in."""
        return self._modes[not in_evaluation()]

    def __getstate__(self) -> dict[str, Any]:
        check_picklable(self.function, self.ties, self.stages)
        return {name: value for name, value in self.__dict__.items() if name not in ("_modes", "as_it_is")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.forget()

    def __deepcopy__(self, memo: Any) -> Model:
        return self  # what it remembers is the same for every copy

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """The plan for these inputs: arrays or `jax.ShapeDtypeStruct`s; Python values stay what they are."""
        return self.plans.of(args, kwargs)

    def _make_plan(self, args: Any, kwargs: Any, has_key: bool = True) -> Plan:
        """Runs the function abstractly, links its slots, and checks them."""
        axes: list[str] = []  # those that are mapped outside of the model, and that nobody maps here
        while True:
            frame = self.frame(Mode.PLAN, None, None, None, None)
            try:
                with self._explaining(Mode.PLAN):
                    out = traced(self.function, frame, args, kwargs, has_key, axes)
                break
            except NameError as e:
                axis = unbound_axis(e)
                if axis is None or axis in axes:
                    raise
                axes.append(axis)
        with without_collection():
            plan = linked(frame, out, self.ties, self.stages)
        plan.axes = tuple(axes)
        return plan

    def init(self, key: Any, args: Any, kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Draws the owners' values, and the states'."""
        key = as_key(key)
        plan = self.plan(*args, **kwargs)
        with without_collection():
            drawn, late = draw(plan.slots, key)
            state, late_state = draw(plan.states, key)
        params = {p: v for p, v in drawn.items() if p in plan.slots}
        state |= {p: v for p, v in drawn.items() if p not in plan.slots}  # what stages keep there
        deferred = frozenset([("params", p) for p in late] + [("state", p) for p in late_state])
        if deferred:
            params, state = self._run_forward(plan, key, params, state, deferred, args, kwargs)
        for path, value in draw_uses(plan, params, state, key).items():
            (params if path in plan.slots else state)[path] = value
        owned = [[p for p, s in table.items() if s.kind == "owned"] for table in (plan.slots, plan.states)]
        return nest({p: params[p] for p in owned[0]}), nest({p: state[p] for p in owned[1]})

    def _run_forward(
        self, plan: Plan, key: Any, params: Any, state: Any, deferred: frozenset[Entry], args: Any, kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Creates what depends on values of the forward pass, by running it.

        Args:
          plan: of the model, for these inputs.
          key: the random key, or None.
          params, state: path → what could be made without the forward pass.
          deferred: what could not.
          args, kwargs: the inputs.

        Returns:
          All params, and all first states, by path.
        """
        if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves((args, kwargs))):
            names = ", ".join(repr(path) for _, path in sorted(deferred)[:3])
            raise TenureError(
                f"the initial value of {names} depends on the forward pass, so init needs arrays, not shapes",
                ways=["call init with arrays", "use an initialiser that does not read the inputs"],
            )

        def run() -> dict[Entry, Any]:
            frame = self.frame(Mode.INIT, nest(params), nest(state), key, plan, deferred=deferred, training=False)
            self.run(frame, args, kwargs)
            return {entry: value for entry, value in frame.visible().items() if entry[0] in ("params", "initial")}

        made = in_single_lanes(run, plan.axes)()
        found = [{p: v for (kind, p), v in made.items() if kind == which} for which in ("params", "initial")]
        return params | found[0], state | found[1]

    def apply(self, params: Any, state: Any, key: Any, args: Any, kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """The function's result, and the states after it.

        Args:
          params: from `init`.
          state: from `init`, or what the last call returned.
          key: for what draws; None where nothing does.
          args, kwargs: the inputs of the function, as a tuple and a dict.
        """
        plan = self.plan_for_run(args, kwargs, key)
        frame = self.frame(Mode.APPLY, params, state, key, plan)
        out = self.run(frame, args, kwargs)
        if self.strict is not False:
            self._check_extras(frame, args, kwargs)
        return out, frame.bundles("state", "stage")

    def plan_for_run(self, args: Any, kwargs: Any, key: Any) -> Plan:
        """The plan that a run with these inputs reads, made if there is none."""
        return self.plans.of(args, kwargs, for_run=True, has_key=key is not None)

    def frame(self, mode: Mode, params: Any, state: Any, key: Any, plan: Plan | None, **more: Any) -> Frame:
        """The frame of a run of the function.

        Args:
          mode: what the run is for.
          params, state: as `init` returned them, or None.
          key: for what draws, or None.
          plan: what the run reads; None to plan.
          **more: further arguments of `Frame`.
        """
        keys = None if key is None else Keys(key)
        more.setdefault("training", not in_evaluation())
        return Frame(
            mode, self.sources.fresh(), params=params, state=flat(state, "state"), keys=keys, plan=plan, **more
        )

    def _check_extras(self, frame: Frame, args: Any, kwargs: Any) -> None:
        """Leaves of the params that this run did not ask for: the model has them all the same, or not."""
        extras = extra_leaves(frame.params, frame.asked)
        if extras and frozenset(extras) not in self.allowed:
            plans = [self.plans.of(args, kwargs), *itertools.chain(*self._modes.values())]
            known = {path: slot for plan in plans for path, slot in plan.slots.items()}
            check_extras([p for p in extras if p not in known], frame.params, known, self.strict)
            self.allowed.add(frozenset(extras))

    def run(self, frame: Frame, args: Any, kwargs: Any) -> Any:
        """Calls the function in a frame."""
        with self._explaining(frame.mode), self.plans.running(), frame.active():
            if frame.plan.staged and frame.mode is Mode.APPLY:
                apply_stages(frame)
            return self.function(*args, **kwargs)

    @contextlib.contextmanager
    def _explaining(self, mode: Mode) -> Iterator[None]:
        """Around a run: an error of JAX's or Python's is raised in the words of the model, where there are any."""
        try:
            yield
        except Exception as e:
            found, cause = self.explained(e, mode)
            if found is None:
                raise
            raise found from cause

    def explained(self, error: Exception, mode: Mode) -> tuple[Exception | None, Exception | None]:
        """What is raised instead of an error of JAX's or Python's, None if that stays, and what is shown as its cause."""
        return explained(error, mode is Mode.APPLY)


def _as_params(params: Any) -> Params:
    if params is None or (isinstance(params, Mapping) and all(isinstance(v, Mapping) for v in params.values())):
        return params or {}
    kind = f"an array {params.shape}" if hasattr(params, "shape") else brief(params, 40)
    raise MissingParameterError(
        f"params must be {{module: {{name: array}}}}, not {kind}",
        parties=[Party("params", "", kind, str(call_site()))],
        ways=["the signature is apply(params, rng, *inputs), or apply(params, state, rng, *inputs) with state"],
    )


def transform(
    function: Callable[..., Any],
    *,
    ties: Mapping[str, Any] | None = None,
    stages: Mapping[str, Any] | None = None,
    on_borrowed: str = "error",
    strict: bool | None = None,
) -> Transformed:
    """A function that builds and calls modules, as pure functions of its parameters.

    Args:
      function: builds modules, calls them, returns anything.
      ties: absolute slot path → a reference ('embed/w | transpose'), an array, or `tn.own`; the model's code stays as
        it is. A key that ends in `/*` speaks for a module's whole rest.
      stages: glob of owners' paths → stages: `{"**/w": [tn.stages.Noise(0.05)]}`. The first glob that matches counts.
      on_borrowed: a stage that a borrower asks for and its owner lacks is an "error", or is for that use ("stack").
      strict: what `apply` makes of leaves that the model lacks. None: those of adapters and other stages, and those in
        modules that the model has, are errors, and modules that the model lacks are told once, in the log. True: all are
        errors. False: none is.

    Returns:
      `init(rng, *args) -> params`, `apply(params, rng, *args) -> out`; `.plan(*args) -> Plan`.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> from tenure import nn
    >>> model = tn.transform(lambda x: nn.Linear(3)(x))
    >>> params = model.init(jax.random.key(0), jnp.ones((2, 4)))
    >>> model.apply(params, None, jnp.ones((2, 4))).shape
    (2, 3)
    """
    model = Model(function, ties, stages, on_borrowed, strict)
    return Transformed(Pure(_init, model), Pure(_apply, model))


def _init(model: Model, rng: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """The owners' initial values, for inputs like these."""
    plan = model.plan(*args, **kwargs)
    if plan.states:
        raise _has_state(plan.states)
    return model.init(rng, args, kwargs)[0]


def _apply(model: Model, params: Any, rng: Any, *args: Any, **kwargs: Any) -> Any:
    """The function's result."""
    out, state = model.apply(_as_params(params), {}, as_key(rng), args, kwargs)
    if state:
        raise _has_state(model.plan(*args, **kwargs).states)
    return out


def _has_state(states: Mapping[str, Slot]) -> NonEmptyStateError:
    first = next(iter(states.values()), None)
    return NonEmptyStateError(
        "the function uses state (a running average, say), which tn.transform does not carry",
        parties=[first.party("asker")] if first else [],
        ways=["use tn.transform_with_state"],
    )


def transform_with_state(
    function: Callable[..., Any],
    *,
    ties: Mapping[str, Any] | None = None,
    stages: Mapping[str, Any] | None = None,
    on_borrowed: str = "error",
    strict: bool | None = None,
) -> TransformedWithState:
    """As `transform`, for functions that keep state.

    Args:
      function: builds modules, calls them, returns anything.
      ties, stages, on_borrowed, strict: see `transform`.

    Returns:
      `init(rng, *args) -> (params, state)`, `apply(params, state, rng, *args) -> (out, state)`; `.plan`.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> model = tn.transform_with_state(lambda x: tn.nn.BatchNorm(False, False, 0.5)(x))
    >>> params, state = model.init(jax.random.key(0), jnp.ones((2, 1)))
    >>> out, state = model.apply(params, state, None, jnp.ones((2, 1)))
    >>> out.tolist(), sorted(state)
    ([[0.0], [0.0]], ['batch_norm/~/mean_ema', 'batch_norm/~/var_ema'])
    """
    model = Model(function, ties, stages, on_borrowed, strict)
    return TransformedWithState(Pure(_init_with_state, model), Pure(_apply_with_state, model))


def _init_with_state(model: Model, rng: Any, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The owners' initial values, and the states', for inputs like these."""
    return model.init(rng, args, kwargs)


def _apply_with_state(
    model: Model, params: Any, state: Any, rng: Any, *args: Any, **kwargs: Any
) -> tuple[Any, dict[str, Any]]:
    """The function's result, and the states after it."""
    return model.apply(_as_params(params), state, as_key(rng), args, kwargs)


@contextlib.contextmanager
def training(flag: bool) -> Iterator[None]:
    """Inside of a transformed function: within, stages, dropout and batch norm act as in training, or as in evaluation.

    An `is_training` argument of a layer that is given counts more.

    Args:
      flag: True for training.

    >>> import jax.numpy as jnp, tenure as tn
    >>> def f(x, is_training):
    ...     with tn.training(is_training):
    ...         return x @ tn.get_parameter("w", (4, 4), init=jnp.ones, stages=[tn.stages.Noise(0.1)])
    >>> model = tn.transform(f)
    >>> model.apply(model.init(None, jnp.ones(4), True), None, jnp.ones(4), False)
    Array([4., 4., 4., 4.], dtype=float32)
    """
    frame = current_frame("tn.training")
    before, frame.training = frame.training, bool(flag)
    try:
        yield
    finally:
        frame.training = before


def running_init() -> bool:
    """Whether the function runs to find out, or to make, its parameters: while planning or initialising.

    >>> import tenure as tn
    >>> tn.transform(tn.running_init).apply({}, None)
    False
    """
    return current_frame("running_init").mode is not Mode.APPLY
