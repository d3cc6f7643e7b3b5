"""Slots: what `get_parameter` fills. Owned, borrowed or given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core import errors
from tenure.core.errors import Party, TenureError, brief
from tenure.core.keys import initialising
from tenure.core.notation import paths
from tenure.core.notation.stage import read_list
from tenure.core.run import hooks
from tenure.core.run.frame import Frame, Mode, Scope, current_frame
from tenure.core.run.initialisers import initial_value
from tenure.core.run.leaves import check_leaf, missing, owned_value
from tenure.core.run.profile import by_profile
from tenure.core.run.values import evaluate, hand_over
from tenure.core.slots.requests import check_repeated
from tenure.core.slots.slot import KINDS, Request, Slot, Suggested, as_dtype, as_shape, kind_of
from tenure.core.slots.sources import Source
from tenure.core.slots.staging import begin
from tenure.core.slots.table import USE

Initializer = Callable[..., jax.Array]


def get_parameter(
    name: str,
    shape: Sequence[int],
    dtype: Any = jnp.float32,
    init: Initializer | None = None,
    *,
    axes: Sequence[str | None] | None = None,
    stages: Any = None,
) -> jax.Array:
    """The current module's parameter `name`: its own, or what its `share=` or the model's `ties=` say.

    Args:
      name: local name.
      shape: of the array.
      dtype: of the array.
      init: `init(shape, dtype) -> array`, or `init(key, shape, dtype)` as in `jax.nn.initializers`; runs once, for the
        owner, with a key drawn from the owner's path.
      axes: logical names of the axes, for `ledger.shardings`.
      stages: what the value goes through between what is stored and what is returned: a list of stages.

    Returns:
      An array of that shape.

    Raises:
      OutsideTransformError: no transformed function is running.
      RequestConflictError, PathConflictError: the path was asked for before, differently or by another instance.
      MissingParameterError, ParameterShapeError: the params handed to `apply` do not fit.

    >>> import tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (2,), init=jnp.ones))
    >>> model.init(None)
    {'~': {'w': Array([1., 1.], dtype=float32)}}
    """
    frame = current_frame("get_parameter")
    path = slot_path(frame, name, "get_parameter")
    dtype = jnp.float32 if dtype is None else dtype
    if frame.planning:
        value = plan_parameter(frame, path, shape, dtype, init, axes, frame.sources.of(path), stages=stages)
    else:
        value = read_parameter(frame, path, shape, dtype, init)
    getters = hooks.chain("param_getter")
    if getters:
        value = hooks.run_getters(getters, value, frame.told(path, shape, dtype, init))
    if frame.profile is not None:  # a front end may look at what the getters answer, and not at what is stored
        frame.profile.check_answer(frame, path, shape, dtype, value)
    return value


@by_profile
def slot_path(frame: Frame, name: Any, what: str) -> str:
    """The path of the slot that the running code calls `name`; `what` is the function that asks.

    Raises:
      PathSyntaxError: `name` is not one segment of a path; said while planning.
    """
    if frame.planning:
        try:
            paths.check_name(name, "name of a state" if what.endswith("state") else "parameter name")
        except TenureError as e:
            raise e.again(parties=[frame.asker(brief(name, 30)), *e.parties]) from None
    return paths.join(frame.scopes[-1].path, name)


def plan_parameter(
    frame: Frame, path: str, shape: Any, dtype: Any, init: Any, axes: Any, source: Source, stages: Any = None
) -> Any:
    """Records a request, and answers it as the front end does before there are params.

    Args:
      frame: the run.
      path: the slot's.
      shape, dtype, init, axes, stages: as handed to `get_parameter`.
      source: what is to fill the slot.

    Raises:
      TenureError: the request makes no sense, or contradicts an earlier one; the message says why.
    """
    as_written = shape, dtype
    shape, dtype = described(frame, path, shape, dtype, init)
    asked = frame.request(path, shape, dtype, source=source, init=init)
    more: dict[str, Any] = {"explicit_init": init is not None and _is_explicit(init, asked, frame.scope)}
    try:
        if axes is not None:
            more["axes"] = _as_axes(axes, asked)
        if stages is not None:
            more["asked_stages"] = read_list(stages, f"stages= of '{path}'")
    except TenureError as e:
        raise e.again(parties=[asked.party("asker")]) from None
    asked = asked.but(**more)
    frame.note_mode(path)
    earlier = frame.requests.get(path)
    if earlier is not None and is_repeated(frame, earlier, asked):
        return planned_value(frame, earlier, source)
    if source.kind == "forbid":
        name = paths.split(path)[1]
        raise errors.ForbiddenSlotError(
            f"'{path}' would be a new parameter, which its {source.origin} forbids",
            parties=[asked.party("asker"), Party(source.origin, f"{source.key}: forbid", "", str(source.site))],
            ways=[f'borrow it:  share={{"{name}": "owner/path"}}', f'own it:  share={{"{name}": None}}'],
        )
    if source.kind == "given":
        _check_given(asked, source)  # a plan outlives the trace that the value belongs to
        asked = asked.but(source=source._replace(value=None))
    kept, value = first_answer(frame, asked, source, *as_written)
    if kept is not None:
        frame.requests[path] = kept
        frame.makers[path] = frame.maker()
    return value


@by_profile
def is_repeated(frame: Frame, earlier: Request, asked: Request) -> bool:
    """Whether a request for a path is an earlier one made again: what equal paths mean is the front end's.

    Raises:
      PathConflictError, RequestConflictError: another instance asks, or for something else.
    """
    check_repeated(earlier, frame.makers[earlier.path], asked, frame.maker())
    return True


@by_profile
def planned_value(frame: Frame, asked: Request, source: Source) -> Any:
    """What a recorded request is answered with before there are params: here, a stand-in."""
    return frame.stand_in(asked.shape, asked.dtype)


@by_profile
def first_answer(frame: Frame, asked: Request, source: Source, shape: Any, dtype: Any) -> tuple[Request | None, Any]:
    """The first request for a path as it is recorded, None if it is not kept; and what it is answered with.

    Args:
      frame: the run.
      asked: the request.
      source: what is to fill its slot.
      shape, dtype: as the program wrote them, for front ends that hand them on to initialisers as they are.
    """
    creators = hooks.chain("param_creator")
    if asked.kind == "owned" or source.or_own:
        told = frame.told(asked.path, asked.shape, asked.dtype, asked.init) if creators else None  # has the module
        make = _maker(creators, asked.shape, asked.dtype, asked.init, told, asked)
        if creators and asked.kind == "owned":
            made = jax.eval_shape(lambda: with_key(jax.random.PRNGKey(0), make))
            asked = asked.but(shape=made.shape, dtype=made.dtype)
        asked = asked.but(make=make)
    return asked, planned_value(frame, asked, source)


def _maker(creators: hooks.Chain, shape: Any, dtype: Any, init: Any, told: Any, asked: Request) -> Callable[[], Any]:
    def make() -> Any:
        def run(shape: Any, dtype: Any) -> Any:
            if init is None:
                raise errors.MissingParameterError(
                    f"'{asked.path}' needs an initialiser: it is owned here, and nobody gave its value",
                    parties=[asked.party("owner")],
                    ways=["get_parameter(..., init=tn.initializers.TruncatedNormal())", "borrow it: share= or ties="],
                )
            return initial_value(init, shape, dtype, lambda: asked.party("owner"))

        made = hooks.run_creators(creators, shape, dtype, run, told)
        return made if isinstance(made, jax.Array) else as_array(made, dtype, asked)

    return make


def described(frame: Frame, path: str, shape: Any, dtype: Any, init: Any) -> tuple[tuple[int, ...], Any]:
    """The shape and the dtype of a request.

    Raises:
      TenureError: they, or the initialiser, are none; the message names who asks.
    """
    try:
        if init is not None and not callable(init):
            raise TenureError(
                f"init of '{path}' is {brief(init)}, not a function",
                ways=["init=jnp.zeros, or init=tn.initializers.Constant(3.0)", "init=lambda shape, dtype: …"],
            )
        return as_shape(shape, path), as_dtype(dtype, path)
    except TenureError as e:
        raise e.again(parties=[frame.asker(path), *e.parties]) from None


def as_array(made: Any, dtype: Any, asked: Request) -> jax.Array:
    """What an initialiser made, as an array: what is of numpy or of Python takes the slot's precision.

    Args:
      made: what the initialiser made.
      dtype: the slot's.
      asked: the request, for the message.

    Raises:
      TenureError: it is no array of numbers.
    """
    try:
        plain = not isinstance(made, (np.ndarray, np.generic))
        array = np.asarray(made)
        if plain and array.dtype.kind in "biuf" and kind_of(dtype) == "floating":
            return jnp.asarray(array, dtype)
        return jnp.asarray(array, dtype if kind_of(array.dtype) == kind_of(dtype) else None)
    except (TypeError, ValueError):
        raise TenureError(
            f"the initialiser of '{asked.path}' made {brief(made)}, not an array of numbers",
            parties=[asked.party("owner")],
            ways=["return an array:  init=lambda shape, dtype: jnp.full(shape, 3, dtype)"],
        ) from None


def with_key(key: Any, make: Callable[[], Any] | None) -> Any:
    """What `make` makes of one owner, with `key` for the draws of its initialiser."""
    assert make is not None
    with initialising(key):
        return make()


def _as_axes(axes: Any, asked: Request) -> tuple[str | None, ...]:
    if isinstance(axes, str) or not isinstance(axes, Sequence):
        rule = f"axes of '{asked.path}' is {brief(axes)}, not a name for each axis"
        raise errors.AxesError(rule, ways=["axes=('embed', 'vocab'), with None for an axis without a name"])
    axes = axes if isinstance(axes, Suggested) else tuple(axes)
    if len(axes) != len(asked.shape):
        rule = f"'{asked.path}' has {len(asked.shape)} axes and {len(axes)} axis names {axes}"
        raise errors.AxesError(rule, ways=["give one name, or None, for each axis"])
    return axes


def _is_explicit(init: Any, asked: Request, scope: Scope) -> bool:
    """Whether the program chose this initialiser: it asked itself, or handed the object to the layer."""
    construction = None if scope.module is None else scope.module.__dict__["_construction"]
    if construction is None or asked.site is not construction.site:  # that of a layer's request is its layer's
        return True
    return id(init) in map(id, (*construction.args, *construction.kwargs.values()))


def _check_given(asked: Request, source: Source) -> None:
    if tuple(source.value.shape) != asked.shape:
        name, shape = paths.split(asked.path)[1], tuple(source.value.shape)
        raise errors.ViewShapeError(
            f"'{asked.path}' needs {asked.shape} but is given {shape}",
            parties=[asked.party("user"), Party("given", name, f"{shape} {source.value.dtype}", str(source.site))],
            ways=[
                "give its transpose" if shape == asked.shape[::-1] else "give an array of the shape that is needed",
                f'own it instead:  share={{"{name}": None}}',
            ],
        )


def read_parameter(frame: Frame, path: str, shape: Any, dtype: Any, init: Any) -> Any:
    """A slot's value in a run, made as the plan says.

    Args:
      frame: the run.
      path: the slot's.
      shape, dtype, init: as handed to `get_parameter`.

    Raises:
      BorrowedInParamsError: the params have a leaf for a slot that owns none.
      MissingParameterError, ParameterShapeError: the params do not fit.
      UnplannedShareError: the run shares a parameter, and the plan that it reads knows of none.
    """
    slot = None if frame.plan.plain else frame.plan.slots.get(path)
    value = owned_value(frame, path)
    if slot is None or slot.kind == "owned":
        if slot is None and (frame.sources.ties or frame.sources.shares):
            check_planned(frame, path, shape, dtype, frame.sources.of(path))
        if value is None:
            value = absent_value(frame, path, shape, dtype, init, slot)
        if slot is not None and slot.staged:
            return evaluate(frame, path, USE)
        if not isinstance(value, jax.Array) or value.shape != shape or value.dtype != dtype:
            check_stored(frame, path, shape, dtype, init, value)
        return value
    if value is not None:
        module, name = paths.split(path)
        raise errors.BorrowedInParamsError(
            f"the params have a leaf for '{path}', which is {slot.kind}",
            parties=[
                slot.party("user", str(slot.target or "")),
                *(frame.plan.slots[owner].party("owner") for owner in frame.plan.ledger.owners_of(path)),
            ],
            ways=[
                f"delete it from params:  del params['{module}']['{name}']",
                f"own it:  tn.transform(f, ties={{'{path}': tn.own}})",
            ],
        )
    if slot.kind == "given":
        source = frame.sources.of(path)
        _check_given(slot.but(shape=as_shape(shape, path)), source)
        return hand_over(frame, slot, source.value)
    return evaluate(frame, path, USE)


def check_planned(
    frame: Frame, path: str, shape: Any, dtype: Any, source: Source, kinds: Sequence[str] = ("borrow", "given")
) -> None:
    """Raises if a run shares a slot of which its plan knows nothing.

    Args:
      frame: of the run.
      path, shape, dtype: what is asked for.
      source: what is to fill the slot.
      kinds: those of the sources that share it.

    Raises:
      UnplannedShareError: the source is of one of these kinds.
    """
    if source.kind in kinds:
        raise errors.UnplannedShareError(
            f"'{path}' is {KINDS[source.kind]} in this run, and was not when the model was planned",
            parties=[
                frame.request(path, as_shape(shape, path), dtype).party("user"),
                Party(source.origin, source.key, f"→ {source.ref or source.kind}", str(source.site)),
            ],
            ways=[
                "plan for inputs of these shapes first:  model.plan(…)",
                "let what is shared depend on the function's arguments only",
            ],
        )


@by_profile
def absent_value(frame: Frame, path: str, shape: Any, dtype: Any, init: Any, slot: Slot | None) -> Any:
    """What a run has for an owner that is not there: `init` makes what only the forward pass can.

    Args:
      frame: the run.
      path: the slot's.
      shape, dtype, init: as handed to `get_parameter`.
      slot: None where the plan has nothing to say of it.

    Raises:
      MissingParameterError: the params given to `apply` lack it.
    """
    if frame.mode is Mode.INIT:
        _create(frame, path, shape, dtype, init, slot)
        return owned_value(frame, path)
    raise missing(frame, path, shape, dtype, slot if slot is not None and slot.staged else None)


@by_profile
def check_stored(frame: Frame, path: str, shape: Any, dtype: Any, init: Any, value: Any) -> None:
    """Raises unless what is stored for an owner is what the running code asks for."""
    shape, dtype = described(frame, path, shape, dtype, init)
    check_leaf(value, path, shape, dtype, lambda: frame.request(path, shape, dtype).party("asker"))


def _create(frame: Frame, path: str, shape: Any, dtype: Any, init: Any, slot: Slot | None) -> None:
    """Makes what is stored for an owner, and for the stages that all its users see."""
    draw = frame.keys.draw if frame.keys is not None else lambda path: None
    asked = Request(path, tuple(shape), dtype) if slot is None else slot
    told = frame.told(path, shape, dtype, init)
    value = with_key(draw(path), _maker(hooks.chain("param_creator"), shape, dtype, init, told, asked))
    made = {path: value} if slot is None else begin(slot, slot.stages, value, draw)
    for where, array in made.items():
        for kind in ("params",) if where == path or where in frame.plan.slots else ("initial", "state"):
            frame.write((kind, where), array)
