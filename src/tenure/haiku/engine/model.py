"""A function as Haiku initialises and applies it, on Tenure's plans.

Initial values come from one abstract run of the function: what they do not depend on, which is nearly all of the
forward pass, is left out of what is computed. Where the function looks at values, it runs as it is.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from tenure.core.keys import Keys
from tenure.core.model.initial import draw_uses
from tenure.core.model.planning import linked, opened, struct_of
from tenure.core.model.transform import Model
from tenure.core.model.watch import Watch
from tenure.core.run import hooks
from tenure.core.run.frame import Frame, Mode
from tenure.core.run.values import offline
from tenure.core.slots import staging
from tenure.core.slots.plan import Plan
from tenure.core.traces import outermost, without_collection
from tenure.core.trees import flat, leaf, put
from tenure.haiku.engine import deferral, output, profile
from tenure.haiku.engine.frames import Bundles, HaikuFrame
from tenure.haiku.engine.keys import PRNGSequence, TrialSequence
from tenure.haiku.engine.slicing import Sliced

TRACER_HINT = (
    "An UnexpectedTracerError was raised while inside a Haiku transformed function (see error above).\n"
    "Hint: are you using a JAX transform or JAX control-flow function (jax.vmap/jax.lax.scan/...) inside a Haiku "
    "transform? You might want to use the Haiku version of the transform instead (hk.vmap/hk.scan/...): what a raw one "
    "traces can not be used outside of it."
)


_TRACED = (jax.Array, jax.ShapeDtypeStruct)  # not arrays of numpy: programs compute with them by numpy's rules


class Made(NamedTuple):
    """What a run that creates found out: the plan, and a function from input arrays to the initial values."""

    plan: Plan
    values: Sliced
    stand_ins: list[Any]

    def initial(self, rng: PRNGSequence | None, args: Any, kwargs: Any) -> tuple[Bundles, Bundles]:
        """The initial values of parameters and states."""
        state = None if rng is None else rng.internal_state
        if state is None or not (self.stand_ins or self.values.deferred):
            return self.values(_arrays(state, args, kwargs), [])  # type: ignore[return-value]
        values, made = deferral.filled(self.stand_ins, state[0], self.values.deferred)
        params, states = self.values(_arrays(state, args, kwargs), values)
        return {m: {n: made.get(id(v), v) for n, v in b.items()} for m, b in params.items()}, states


class HaikuModel(Model):
    """A function, its ties and stages, and the plans made of it so far.

    Attributes:
      as_it_is: the plans of inputs for which tracing is a detour on the way to initial values.
    """

    def __init__(self, function: Any, ties: Any = None, stages: Any = None):
        super().__init__(function, ties, stages, strict=False)

    def forget(self) -> None:
        super().forget()
        self.as_it_is: weakref.WeakSet[Plan] = weakref.WeakSet()

    def _make_plan(self, args: Any, kwargs: Any, has_key: bool = True) -> Plan:
        try:
            return self._trace(PRNGSequence(0), args, kwargs).plan
        except jax.errors.JAXTypeError:  # the function looks at values
            return self._create(PRNGSequence(0), args, kwargs)[2]()

    def plan_for_run(self, args: Any, kwargs: Any, key: Any) -> Plan:
        """The plan that a run reads. Where none is known, the function is traced first, unseen and without a trace left.

        A function that cannot be traced, and was not transformed with ties or stages, is taken to share nothing.
        """
        plan = self.plans.known(args, kwargs)
        if plan is None and (self.ties or self.stages):
            plan = self.plans.of(args, kwargs)
        if plan is None:
            around = Watch([self.function, *hooks.installed()], exact=True)
            try:
                with output.silent("drop"):
                    plan = self._trace(PRNGSequence(0), args, kwargs).plan
                    self.plans.remember(args, kwargs, plan)
            except Exception:
                plan = self.plans.assume_plain(args, kwargs)
            around.restore()
        return plan

    def init(self, rng: PRNGSequence | None, args: Any, kwargs: Any) -> tuple[Bundles, Bundles]:
        """The owners' initial values, and the states' first ones."""
        plan = self.plans.known(args, kwargs)
        if plan in self.as_it_is:
            return self._create(rng, args, kwargs, plan=plan)[:2]
        if outermost():
            around = Watch([self.function, *hooks.installed()], exact=True)
            try:
                with output.silent():
                    made = self._try(rng, args, kwargs)
            except (Exception, output.Printed):  # it looks at values, or it is wrong: the function itself says what
                made = None
            if not around.restore() and made is not None:
                self.plans.remember(args, kwargs, made.plan)
                if made.values.leaves_little_out and made.plan.plain:  # next time the function runs as it is
                    self.as_it_is.add(made.plan)
                params, state = made.initial(rng, args, kwargs)
                return begin_stages(made.plan, params, state, rng)
        saved = None if rng is None else rng.internal_state
        params, state, planned = self._create(rng, args, kwargs)
        if not (self.ties or self.stages or made_of_borrowers(planned.args[0])):
            if not any(asked.asked_stages for asked in planned.args[0].requests.values()):
                self.plans.assume_plain(args, kwargs)
            return params, state
        linked = planned()
        self.plans.remember(args, kwargs, linked)
        if rng is not None:
            rng.replace_internal_state(saved)  # type: ignore[arg-type]
        lender = offline(linked, params, state)
        params, state, _ = self._create(rng, args, kwargs, lender)
        return begin_stages(linked, params, state, rng)

    def _create(
        self, rng: PRNGSequence | None, args: Any, kwargs: Any, lender: Frame | None = None, plan: Plan | None = None
    ) -> tuple[Bundles, Bundles, Any]:
        """Runs the function as it is, by its plan if that is known. Returns params, first states, and a function that plans.

        Args:
          rng: the keys.
          args, kwargs: the function's.
          lender: a frame with all owners' values, in a second run.
          plan: the one that is known.
        """
        frame = self.frame(Mode.PLAN if plan is None else Mode.INIT, None, None, rng, plan)
        frame.lender = lender
        with without_collection():
            out = self.run(frame, args, kwargs)
        return frame.stored(), frame.bundles("initial"), functools.partial(self._linked, frame, out)

    def _linked(self, frame: HaikuFrame, out: Any) -> Plan:
        frame.makers = {}
        return linked(frame, out, self.ties, self.stages)

    def _try(self, rng: PRNGSequence | None, args: Any, kwargs: Any) -> Made:
        """Runs the function abstractly, with initialisers left for afterwards where that is possible."""
        if deferral.possible(rng):
            around = Watch([self.function, *hooks.installed()], exact=True)
            try:
                return self._trace(rng, args, kwargs, counted=True)
            except deferral.AbandonedError:
                if around.restore():
                    raise
        return self._trace(rng, args, kwargs)

    def _trace(self, rng: PRNGSequence | None, args: Any, kwargs: Any, counted: bool = False) -> Made:
        """Runs the function abstractly.

        Args:
          rng: the keys, of which only the state is read.
          args, kwargs: the function's.
          counted: whether keys are counted and initialisers left for afterwards.
        """
        state = None if rng is None else rng.internal_state
        specs, filled = opened((state, args, kwargs), _TRACED)
        found: list[Any] = []

        def run(*arrays: Any) -> Any:
            state, a, k = filled(arrays)
            keys = None if state is None else deferral.CountedKeys(state[0]) if counted else TrialSequence(state)
            frame = self.frame(Mode.PLAN, None, None, keys, None)
            frame.deferred_values = {} if counted else None
            out = self.run(frame, a, k)
            found.extend([frame, jax.tree.map(struct_of, out), keys.stand_ins if counted else []])  # type: ignore[union-attr]
            made = _without(frame.stored(), frame.deferred_values or {}), frame.bundles("initial")
            frame.forget()
            return made

        values = Sliced.of(run, specs)
        frame, out, stand_ins = found
        if made_of_borrowers(frame) and values.uses_stand_ins:
            raise deferral.AbandonedError if counted else _BorrowedAtInit
        if counted:
            values = values.with_inputs(len(stand_ins))
        return Made(self._linked(frame, out), values, stand_ins)

    def frame(
        self, mode: Mode, params: Any, state: Any, key: PRNGSequence | None, plan: Plan | None, **_: Any
    ) -> HaikuFrame:
        frame = HaikuFrame(mode, self.sources.fresh(), profile=profile, params=params, state=state, rng=key, plan=plan)
        if plan is not None and plan.staged and key is not None:
            frame.keys = Keys(key.internal_state[0])
        return frame

    def explained(self, error: Exception, mode: Mode) -> tuple[Exception | None, Exception | None]:
        found = isinstance(error, jax.errors.UnexpectedTracerError)
        return (jax.errors.UnexpectedTracerError(TRACER_HINT) if found else None), error


def _without(params: Bundles, deferred: Mapping[str, deferral.Deferred]) -> Bundles:
    """The parameters, with what is left for afterwards in the place of stand-ins."""
    return {m: {n: deferred.get(f"{m}/{n}", v) for n, v in bundle.items()} for m, bundle in params.items()}


def made_of_borrowers(frame: HaikuFrame) -> bool:
    """Whether a slot borrows, so that a run that created had stand-ins for values."""
    return any(r.kind == "borrowed" for r in (*frame.requests.values(), *frame.state_requests.values()))


class _BorrowedAtInit(Exception):
    """An initial value depends on a borrowed parameter's value."""


def begin_stages(plan: Plan, params: Bundles, state: Bundles, rng: PRNGSequence | None) -> tuple[Bundles, Bundles]:
    """The initial values with those of the stages' own leaves, drawn by path: they change no other value.

    Args:
      plan: of the model.
      params, state: the function's initial values; stages' leaves are put into them.
      rng: the keys, or None.
    """
    if not plan.staged:
        return params, state
    key = None if rng is None else rng.internal_state[0]
    keys = None if key is None else Keys(key)
    made: dict[str, Any] = {}
    for slot in plan.slots.values():
        if slot.stages and slot.kind == "owned":
            draw = (lambda path: None) if keys is None else keys.draw
            made.update(staging.begin(slot, slot.stages, leaf(params, slot.path), draw))
    made.update(draw_uses(plan, flat(params, "params") | made, flat(state, "state"), key))
    for path, value in made.items():
        put(params if path in plan.slots else state, path, value)
    return params, state


def _arrays(state: Any, args: Any, kwargs: Any) -> list[Any]:
    return [leaf for leaf in jax.tree.leaves((state, args, kwargs)) if isinstance(leaf, _TRACED)]
