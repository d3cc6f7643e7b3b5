"""`transform`: a function that builds and calls modules → the pure functions `plan`, `init`, `apply`."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core import paths, rng
from tenure.core.errors import MissingParameterError, MissingRNGError, NonEmptyStateError, Party, TenureError, brief
from tenure.core.frame import Entry, Frame, Mode, Params
from tenure.core.plan import Plan, is_array, leaked, make_plan
from tenure.core.sites import call_site
from tenure.core.slot import Slot
from tenure.core.sources import Sources

_PLANS = 64  # plans remembered per model: one for each combination of input shapes


class Transformed(NamedTuple):
    """`init(rng, *args) -> params` and `apply(params, rng, *args) -> out`."""

    init: Callable[..., dict[str, dict[str, jax.Array]]]
    apply: Callable[..., Any]

    @property
    def plan(self) -> Callable[..., Plan]:
        """`plan(*args) -> Plan`: the model for inputs of these shapes, checked, with nothing allocated."""
        return self.init.plan  # type: ignore[attr-defined]


class TransformedWithState(NamedTuple):
    """`init(rng, *args) -> (params, state)` and `apply(params, state, rng, *args) -> (out, state)`."""

    init: Callable[..., tuple[dict[str, dict[str, jax.Array]], dict[str, dict[str, Any]]]]
    apply: Callable[..., tuple[Any, dict[str, dict[str, Any]]]]

    @property
    def plan(self) -> Callable[..., Plan]:
        """`plan(*args) -> Plan`: the model for inputs of these shapes, checked, with nothing allocated."""
        return self.init.plan  # type: ignore[attr-defined]


class _Model:
    """A function, its ties, and the plans made of it so far."""

    def __init__(self, function: Callable[..., Any], ties: Mapping[str, Any] | None):
        if not callable(function):
            raise TenureError(
                f"tn.transform takes a function, not {type(function).__name__}", ways=["tn.transform(lambda x: …)"]
            )
        self.function, self.sources, self.ties = function, Sources(ties), dict(ties or {})
        self.plans: collections.OrderedDict[Any, Plan] = collections.OrderedDict()

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """The plan for these inputs: arrays or `jax.ShapeDtypeStruct`s; Python values stay what they are."""
        return self.get_plan(args, kwargs)

    def get_plan(self, args: Any, kwargs: Any, fresh: bool = False) -> Plan:
        key = _plan_key(args, kwargs)
        plan = self.plans.get(key) if key is not None and not fresh else None
        if plan is None:
            plan = make_plan(self.function, self.sources, self.ties, args, kwargs)
            if key is not None:
                self.plans[key] = plan
                if len(self.plans) > _PLANS:
                    self.plans.popitem(last=False)
        return plan

    def init(self, key: Any, args: Any, kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Draws the owners' values, and the states'."""
        key = rng.as_key(key)
        plan = self.plan(*args, **kwargs)
        params, late = _draw(plan, plan.slots, key)
        state, late_state = _draw(plan, plan.states, key)
        deferred = frozenset([("params", p) for p in late] + [("state", p) for p in late_state])
        if deferred:
            params, state = self._run_forward(plan, key, params, state, deferred, args, kwargs)
        order = [p for p, s in plan.slots.items() if s.kind == "owned"]
        return _nest(params, order), _nest(state, [p for p, s in plan.states.items() if s.kind == "owned"])

    def _run_forward(
        self, plan: Plan, key: Any, params: Any, state: Any, deferred: frozenset[Entry], args: Any, kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Creates what depends on values of the forward pass, by running it."""
        if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves((args, kwargs))):
            names = ", ".join(repr(path) for _, path in sorted(deferred)[:3])
            raise TenureError(
                f"the initial value of {names} depends on the forward pass, so init needs arrays, not shapes",
                ways=["call init with arrays", "use an initialiser that does not read the inputs"],
            )
        frame = self._frame(Mode.INIT, _nest(params), {}, key, args, kwargs, deferred)
        frame.layers[0].update({("state", p): v for p, v in state.items()})
        frame._plan = plan
        self._run(frame, args, kwargs)
        made = frame.visible()
        params = params | {p: v for (kind, p), v in made.items() if kind == "params"}
        state = state | {p: v for (kind, p), v in made.items() if kind == "initial"}
        return params, state

    def apply(self, params: Any, state: Any, key: Any, args: Any, kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """The function's result, and the states after it."""
        flat = {f"{m}/{n}": v for m, entries in (state or {}).items() for n, v in entries.items()}
        frame = self._frame(Mode.APPLY, _as_params(params), flat, rng.as_key(key), args, kwargs)
        out = self._run(frame, args, kwargs)
        new = {path: value for (kind, path), value in frame.visible().items() if kind == "state"}
        return out, _nest(new)

    def _frame(
        self,
        mode: Mode,
        params: Params,
        state: Any,
        key: Any,
        args: Any,
        kwargs: Any,
        deferred: frozenset[Entry] = frozenset(),
    ) -> Frame:
        keys = None if key is None else rng.Keys(key)
        get_plan = functools.partial(self.get_plan, args, kwargs)
        return Frame(
            mode, self.sources.fresh(), params=params, state=state, keys=keys, get_plan=get_plan, deferred=deferred
        )

    def _run(self, frame: Frame, args: Any, kwargs: Any) -> Any:
        try:
            with frame.active():
                return self.function(*args, **kwargs)
        except jax.errors.UnexpectedTracerError as e:
            raise leaked(e) from e


def _plan_key(args: Any, kwargs: Any) -> Any:
    """What a plan depends on: the tree of inputs, shapes of arrays, values of everything else. None: no key."""
    leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=lambda x: isinstance(x, jax.ShapeDtypeStruct))
    try:
        parts = tuple((leaf.shape, str(leaf.dtype)) if is_array(leaf) else (type(leaf), leaf) for leaf in leaves)
        hash(parts)
        return tree, parts
    except TypeError:
        return None


def _as_params(params: Any) -> Params:
    if params is None:
        return {}
    if not isinstance(params, Mapping) or not all(isinstance(v, Mapping) for v in params.values()):
        raise MissingParameterError(
            "params must be {module: {name: array}}, not " + _kind(params),
            parties=[Party("params", "", _kind(params), str(call_site()))],
            ways=["the signature is apply(params, rng, *inputs), or apply(params, state, rng, *inputs) with state"],
        )
    return params


def _kind(value: Any) -> str:
    return f"an array {value.shape}" if hasattr(value, "shape") else brief(value, 40)


def _nest(flat: Mapping[str, Any], order: list[str] | None = None) -> dict[str, dict[str, Any]]:
    nested: dict[str, dict[str, Any]] = {}
    for path in order if order is not None else flat:
        module, name = paths.split(path)
        nested.setdefault(module, {})[name] = flat[path]
    return nested


def _draw(plan: Plan, slots: dict[str, Slot], key: Any) -> tuple[dict[str, Any], list[str]]:
    """The owners' initial values, and the paths of those that only the forward pass can make."""
    owners = [slot for slot in slots.values() if slot.kind == "owned"]
    keys = rng.owner_keys(key, [s.path for s in owners]) if key is not None and owners else [None] * len(owners)
    values: dict[str, Any] = {}
    late: list[str] = []
    for slot, owner_key in zip(owners, keys, strict=True):
        if slot.make is None:
            late.append(slot.path)
            continue
        try:
            values[slot.path] = _make(slot, owner_key)
        except jax.errors.UnexpectedTracerError:
            late.append(slot.path)
            continue
        except MissingRNGError:
            raise rng.missing_key("init(jax.random.key(0), …)", slot.party("owner")) from None
        made, wanted = jnp.shape(values[slot.path]) if slot.collection == "params" else None, slot.full_shape
        if made is not None and made != wanted:
            raise TenureError(
                f"the initialiser of '{slot.path}' made {made} instead of {wanted}",
                parties=[slot.party("owner")],
                ways=["return an array of the shape that the initialiser is called with"],
            )
    return values, late


def _make(slot: Slot, key: Any) -> Any:
    def one(key: Any) -> Any:
        with rng.initialising(key):
            return slot.make()  # type: ignore[misc]

    run: Callable[[Any], Any] = one
    for _, size in reversed(slot.stack):
        run = _stacked(run, size)
    return run(key)


def _stacked(make: Callable[[Any], Any], size: int) -> Callable[[Any], Any]:
    """One value for each layer, each from its own key."""

    def run(key: Any) -> Any:
        if key is None:
            return jax.tree.map(lambda x: jnp.repeat(x[None], size, 0), make(None))
        keys = jax.vmap(jax.random.fold_in, (None, 0))(rng.resolve(key), np.arange(size, dtype=np.uint32))
        return jax.vmap(make, axis_size=size)(keys)

    return run


def transform(function: Callable[..., Any], *, ties: Mapping[str, Any] | None = None) -> Transformed:
    """A function that builds and calls modules, as pure functions of its parameters.

    Args:
      function: builds modules, calls them, returns anything.
      ties: absolute slot path → a reference ('embed/w | transpose'), an array, or `tn.own`; the model's code stays as
        it is. A key that ends in `/*` speaks for a module's whole rest.

    Returns:
      `init(rng, *args) -> params`, `apply(params, rng, *args) -> out`; `.plan(*args) -> Plan`.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> from tenure import nn
    >>> model = tn.transform(lambda x: nn.Linear(3)(x))
    >>> params = model.init(jax.random.key(0), jnp.ones((2, 4)))
    >>> model.apply(params, None, jnp.ones((2, 4))).shape
    (2, 3)
    """
    inner = _Model(function, ties)

    def init(rng: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        plan = inner.plan(*args, **kwargs)
        if plan.states:
            raise _has_state(plan.states)
        return inner.init(rng, args, kwargs)[0]

    def apply(params: Any, rng: Any, *args: Any, **kwargs: Any) -> Any:
        out, state = inner.apply(params, {}, rng, args, kwargs)
        if state:
            raise _has_state(inner.plan(*args, **kwargs).states)
        return out

    init.plan = inner.plan  # type: ignore[attr-defined]
    return Transformed(init, apply)


def _has_state(states: Mapping[str, Slot]) -> NonEmptyStateError:
    first = next(iter(states.values()), None)
    return NonEmptyStateError(
        "the function uses state (a running average, say), which tn.transform does not carry",
        parties=[first.party("asker")] if first else [],
        ways=["use tn.transform_with_state"],
    )


def transform_with_state(
    function: Callable[..., Any], *, ties: Mapping[str, Any] | None = None
) -> TransformedWithState:
    """As `transform`, for functions that keep state.

    Returns:
      `init(rng, *args) -> (params, state)`, `apply(params, state, rng, *args) -> (out, state)`; `.plan`.
    """
    inner = _Model(function, ties)

    def init(rng: Any, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return inner.init(rng, args, kwargs)

    def apply(params: Any, state: Any, rng: Any, *args: Any, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        return inner.apply(params, state, rng, args, kwargs)

    init.plan = inner.plan  # type: ignore[attr-defined]
    return TransformedWithState(init, apply)


def without_apply_rng(model: Any) -> Any:
    """The same model with an `apply` that takes no `rng`: for models that draw no keys."""
    if isinstance(model, TransformedWithState):
        return TransformedWithState(
            model.init, lambda params, state, *a, **k: model.apply(params, state, None, *a, **k)
        )
    return Transformed(model.init, lambda params, *a, **k: model.apply(params, None, *a, **k))


def running_init() -> bool:
    """Whether the function runs to find out, or to make, its parameters: while planning or initialising."""
    from tenure.core.frame import current_frame

    return current_frame("running_init").mode is not Mode.APPLY
