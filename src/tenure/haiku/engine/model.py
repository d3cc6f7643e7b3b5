"""A function as Haiku initialises and applies it, on Tenure's plans.

Initial values come from one abstract run of the function: what they do not depend on, which is nearly all of the
forward pass, is left out of what is computed. Where the function looks at values, it runs as it is.
"""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from tenure.core import hooks
from tenure.core.frame import Mode
from tenure.core.plan import Plan, _check_used, _spec, is_array, link
from tenure.core.sources import Sources
from tenure.core.transform import _PLANS, _plan_key
from tenure.haiku.engine.frames import Bundles, HaikuFrame
from tenure.haiku.engine.keys import PRNGSequence
from tenure.haiku.engine.slicing import Sliced, outermost
from tenure.haiku.engine.surroundings import Surroundings

TRACER_HINT = (
    "An UnexpectedTracerError was raised while inside a Haiku transformed function (see error above).\n"
    "Hint: are you using a JAX transform or JAX control-flow function (jax.vmap/jax.lax.scan/...) inside a Haiku "
    "transform? You might want to use the Haiku version of the transform instead (hk.vmap/hk.scan/...): what a raw one "
    "traces can not be used outside of it."
)


class Made(NamedTuple):
    """What a run that creates found out: the plan, and a function from input arrays to the initial values."""

    plan: Plan
    values: Sliced


class Model:
    """A function, its ties, and the plans made of it so far."""

    def __init__(self, function: Callable[..., Any], ties: Mapping[str, Any] | None = None):
        self.function, self.sources, self.ties = function, Sources(ties), dict(ties or {})
        self.plans: collections.OrderedDict[Any, Plan] = collections.OrderedDict()

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """The plan for these inputs: arrays or `jax.ShapeDtypeStruct`s; Python values stay what they are."""
        return self.get_plan(args, kwargs)

    def get_plan(self, args: Any, kwargs: Any, fresh: bool = False) -> Plan:
        key = _plan_key(args, kwargs)
        plan = self.plans.get(key) if key is not None and not fresh else None
        if plan is None:
            try:
                plan = self._trace(PRNGSequence(0), args, kwargs).plan
            except jax.errors.JAXTypeError:  # the function looks at values
                plan = self._create(PRNGSequence(0), args, kwargs)[2]()
            self._remember(key, plan)
        return plan

    def _remember(self, key: Any, plan: Plan) -> None:
        if key is not None:
            self.plans[key] = plan
            if len(self.plans) > _PLANS:
                self.plans.popitem(last=False)

    def init(self, rng: PRNGSequence | None, args: Any, kwargs: Any) -> tuple[Bundles, Bundles]:
        """The owners' initial values, and the states' first ones."""
        if outermost():
            around = Surroundings([self.function, *hooks.installed()])
            try:
                made = self._trace(rng, args, kwargs)
            except Exception:  # it looks at values, or it is wrong: the function itself says what
                made = None
            if not around.restore() and made is not None:
                return made.values(*_arrays(None if rng is None else rng.internal_state, args, kwargs))
        params, state, plan = self._create(rng, args, kwargs)
        if self.ties or self.sources.shares:
            plan()
        return params, state

    def _create(self, rng: PRNGSequence | None, args: Any, kwargs: Any) -> tuple[Bundles, Bundles, Any]:
        """Runs the function as it is. Returns params, first states, and a function that makes the plan."""
        frame = HaikuFrame(Mode.PLAN, self.sources.fresh(), rng=rng)
        out = self.run(frame, args, kwargs)
        return frame.params, first_states(frame), functools.partial(self._linked, frame, out)

    def _linked(self, frame: HaikuFrame, out: Any) -> Plan:
        link(frame.slots)
        link(frame.states)
        _check_used(frame)
        for slot in (*frame.slots.values(), *frame.states.values()):
            slot.birth = None
        return Plan(frame.slots, frame.states, out, self.ties)

    def _trace(self, rng: PRNGSequence | None, args: Any, kwargs: Any) -> Made:
        """Runs the function abstractly."""
        state = None if rng is None else rng.internal_state
        leaves, tree = jax.tree.flatten((state, args, kwargs), is_leaf=_is_struct)
        dynamic = [i for i, leaf in enumerate(leaves) if is_array(leaf)]
        found: list[Any] = []

        def run(*arrays: Any) -> Any:
            filled = list(leaves)
            for i, array in zip(dynamic, arrays, strict=True):
                filled[i] = array
            state, a, k = jax.tree.unflatten(tree, filled)
            frame = HaikuFrame(Mode.PLAN, self.sources.fresh(), rng=None if state is None else PRNGSequence(state))
            out = self.run(frame, a, k)
            frame.sources.release()
            found.extend([frame, jax.tree.map(_shape_of, out)])
            return frame.params, first_states(frame)

        values = Sliced.of(run, [_spec(leaves[i]) for i in dynamic])
        frame, out = found
        if values.uses_borrowed:
            raise _BorrowedAtInit
        return Made(self._linked(frame, out), values)

    def apply(
        self, params: Bundles, state: Any, rng: PRNGSequence | None, args: Any, kwargs: Any
    ) -> tuple[Any, Bundles]:
        """The function's result, and the newest states."""
        get_plan = functools.partial(self.get_plan, args, kwargs)
        frame = HaikuFrame(Mode.APPLY, self.sources.fresh(), params=params, state=state, rng=rng, get_plan=get_plan)
        out = self.run(frame, args, kwargs)
        return out, newest_states(frame)

    def run(self, frame: HaikuFrame, args: Any, kwargs: Any) -> Any:
        """Calls the function in a frame."""
        try:
            with frame.active():
                return self.function(*args, **kwargs)
        except jax.errors.UnexpectedTracerError as e:
            raise jax.errors.UnexpectedTracerError(TRACER_HINT) from e


class _BorrowedAtInit(Exception):
    """An initial value depends on a borrowed parameter's value."""


def first_states(frame: HaikuFrame) -> Bundles:
    """The states' first values."""
    return {m: {n: pair.initial for n, pair in bundle.items()} for m, bundle in frame.state.items()}


def newest_states(frame: HaikuFrame) -> Bundles:
    """The states' newest values."""
    return {m: {n: pair.current for n, pair in bundle.items()} for m, bundle in frame.state.items()}


def _is_struct(leaf: Any) -> bool:
    return isinstance(leaf, jax.ShapeDtypeStruct)


def _shape_of(leaf: Any) -> Any:
    if isinstance(leaf, (jax.Array, np.ndarray)):
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
    return leaf


def _arrays(state: Any, args: Any, kwargs: Any) -> list[Any]:
    return [leaf for leaf in jax.tree.leaves((state, args, kwargs), is_leaf=_is_struct) if is_array(leaf)]
