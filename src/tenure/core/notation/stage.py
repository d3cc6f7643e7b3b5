"""The stage: one step between what is stored and the value that a layer computes with. Named, frozen, and plain data.

    stored ─structural─▶ weight ─stochastic─▶ final ─view─▶ [the borrower's own stages] ─▶ use

This file says what a stage is; the stages themselves are in `tenure.stages`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import jax

from tenure.core.errors import StageOrderError, StageSyntaxError, TenureError, UnknownStageError, brief
from tenure.core.notation import converters, operation
from tenure.core.notation.operation import Misfit, define

Spec = jax.ShapeDtypeStruct
Parts = Mapping[str, Any]

STRUCTURAL, STOCHASTIC, PENALTY = "structural", "stochastic", "penalty"


class Irreversible(Exception):
    """No stored value gives that weight; whoever knows the slot turns this into an error that names it."""


@dataclasses.dataclass(frozen=True)
class Part:
    """A further leaf that a stage keeps beside the owner's: a scale, an adapter, a running average.

    Attributes:
      shape, dtype: of one layer.
      collection: "params" or "state".
      frozen: whether no gradient is meant to reach it.
    """

    shape: tuple[int, ...]
    dtype: Any
    collection: str = "params"
    frozen: bool = False


@dataclasses.dataclass
class Run:
    """What a stage may ask of the run that it is part of.

    Attributes:
      training: whether running averages move; else they are used.
      draws: whether to draw; not in evaluation, and not where the weight before noise and dropout is wanted.
      draw: gives the key of (apply key, owner's path, stage's name); only where `draws`.
      spec: the shape and dtype of what the stage is to give.
      updates: new values of the stage's state, by the part's name.
    """

    training: bool
    draws: bool
    draw: Callable[[], jax.Array]
    spec: Spec
    updates: dict[str, Any] = dataclasses.field(default_factory=dict)


def flag(value: Any) -> bool:
    """True or False.

    Raises:
      TypeError: it is neither.
    """
    if not isinstance(value, bool):
        raise TypeError("True or False is needed")
    return value


def maybe_text(value: Any) -> str | None:
    """A name without the characters that addresses use, or None.

    Raises:
      TypeError: it is neither.
    """
    if value is None:
        return None
    if not isinstance(value, str) or not value.replace("-", "_").isidentifier():
        raise TypeError("a name such as 'noise_2' is needed")
    return value


class Stage(operation.Operation):
    """One step between what is stored and what is used. Immutable; equal if its name and arguments are.

    Subclasses set `name`, `kind` and `signature`, and define `forward`; those that keep leaves of their own define
    `parts` and `begin`, those that store something else than the weight define `stored`, those that have a way back
    `assign`. Every stage takes `name=` (its name in keys, in leaves' paths and in the ledger: two of one kind on one
    parameter need two names), `remat=` (compute it again in the backward pass instead of keeping what it computed) and
    `min_ndim=` (leave parameters with fewer axes alone).

    >>> from tenure import stages
    >>> stages.Noise(0.05) == stages.parse("noise(0.05)") == stages.read(["noise", {"std": 0.05}])
    True
    """

    word = "stage"
    registry: ClassVar[dict[str, type[Stage]]] = {}
    unreadable, unknown = StageSyntaxError, UnknownStageError
    example = "write it like 'noise(0.05)' or ['noise', {'std': 0.05}]"
    example_data = '["noise", {"std": 0.05}]'
    own_way = "define your own: a subclass of tn.stages.Stage with @tn.stages.define"
    home = "tenure.stages"

    kind: ClassVar[str] = STRUCTURAL
    least_axes: ClassVar[int] = 0  # the default of min_ndim

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        common = {"name": maybe_text, "remat": flag, "min_ndim": converters.integer}
        cls.signature = {**cls.signature, **{k: v for k, v in common.items() if k not in cls.signature}}
        own = {k: v for k, v in cls.defaults.items() if k not in common}
        cls.defaults = {"name": None, "remat": False, "min_ndim": cls.least_axes, **own}

    @property
    def label(self) -> str:
        """Its name on the parameter."""
        return self.arguments["name"] or self.name

    @property
    def draws(self) -> bool:
        """Whether it draws random numbers in training."""
        return self.kind == STOCHASTIC

    @property
    def freezes(self) -> bool:
        """Whether it keeps gradients from what is stored."""
        return False

    def applies(self, spec: Spec) -> bool:
        """Whether it has anything to do with a parameter of that shape and dtype."""
        return len(spec.shape) >= self.arguments["min_ndim"]

    def stored(self, spec: Spec) -> Spec:
        """The shape and dtype of what it is given, where it gives `spec`. Raises `Misfit` where it does not fit."""
        return spec

    def parts(self, spec: Spec) -> Mapping[str, Part]:
        """Its own leaves, where it gives `spec`."""
        return {}

    def forward(self, value: jax.Array, parts: Parts, run: Run) -> jax.Array:
        """The value after this stage.

        Args:
          value: what is stored, or what the stage before made.
          parts: the leaves that the stage keeps, by name.
          run: the mode, and keys for what draws.
        """
        raise NotImplementedError

    def begin(self, value: jax.Array, draw: Callable[[str], jax.Array]) -> tuple[jax.Array, Parts]:
        """What is stored at first, for an initialiser that made `value`: by default that value, and no leaf beside it.

        Args:
          value: what the initialiser made.
          draw: from a leaf's name to a random key.
        """
        return value, {}

    def assign(self, value: jax.Array, parts: Parts) -> tuple[jax.Array, Parts]:
        """What must be stored so that the weight is `value`; `parts` are its leaves as they are now.

        Args:
          value: the weight.
          parts: the leaves as they are now.

        Raises:
          Irreversible: nothing gives that weight, or the stage has no way back.
        """
        raise Irreversible(f"'{self.name}' has no way back")

    def packed(self) -> Stage | None:
        """The form of it for inference, which stores less; None if there is none, or it is that form already."""
        return None

    def penalty(self, weight: jax.Array, parts: Parts) -> jax.Array | None:
        """Its term of the loss, given the weight.

        Args:
          weight: the value after the structural stages.
          parts: the leaves that the stage keeps, by name.
        """
        return None


class OnUse(Stage):
    """A stage for one use only: applied after the owner's stages and the view, and seen by nobody else."""

    name, kind = "on_use", STOCHASTIC
    signature = {"stage": lambda value: read(value)}

    @property
    def inner(self) -> Stage:
        """The stage itself."""
        return self.arguments["stage"]

    def to_data(self) -> list[Any]:
        return ["on_use", {"stage": self.inner.to_data()}]

    def __str__(self) -> str:
        return f"on_use({self.inner})"


define(OnUse)


def on_use(stage: Any) -> Stage:
    """The stage for this use of a parameter only, whoever owns it.

    >>> import tenure as tn
    >>> tn.on_use(tn.stages.Dropout(0.1))
    on_use(dropout(0.1))
    """
    found = read(stage)
    return found if isinstance(found, OnUse) else OnUse(found)


def parse(text: str) -> Stage:
    """A stage from its string.

    Raises:
      StageSyntaxError, UnknownStageError: what is wrong with it.
    """
    match = text.strip() if isinstance(text, str) else ""
    if match.startswith("on_use(") and match.endswith(")"):
        return on_use(match[len("on_use(") : -1])
    return operation.parse(Stage, text)


def read(value: Any) -> Stage:
    """A stage from a stage, its string, or its data `[name, {option: value}]`.

    Raises:
      StageSyntaxError, UnknownStageError: what is wrong with it.
    """
    if isinstance(value, Stage):
        return value
    if isinstance(value, str):
        return parse(value)
    data = [*value, {}] if isinstance(value, (list, tuple)) and len(value) == 1 else value
    if _is_data(data):
        return Stage.from_json(data)
    raise StageSyntaxError(f"{brief(value)} is not a stage", ways=[Stage.example, "tn.stages.Noise(0.05)"])


def _is_data(value: Any) -> bool:
    """Whether `value` is one stage as data: `[name, {option: value}]`."""
    pair = isinstance(value, (list, tuple)) and len(value) == 2
    return pair and isinstance(value[0], str) and isinstance(value[1], Mapping)


def read_list(value: Any, what: str) -> tuple[Stage | None, ...]:
    """The stages of an entry: a list, or one alone. `None` in front: forget what the inside says.

    Args:
      value: as written.
      what: it is, for messages: "stages= of 'a/w'".

    Raises:
      StageSyntaxError, UnknownStageError, StageOrderError: what is wrong with it.
    """
    if value is None:
        return ()
    alone = isinstance(value, (Stage, str)) or _is_data(value)
    if not alone and not isinstance(value, (list, tuple)):
        raise StageSyntaxError(
            f"{what}: {brief(value)} is not a list of stages",
            ways=["[tn.stages.Noise(0.05)]", "[['noise', {'std': 0.05}]]"],
        )
    try:
        found = tuple(None if v is None else read(v) for v in ([value] if alone else value))
    except TenureError as e:
        raise e.again(f"{what}: {e.rule}") from None
    if None in found[1:]:
        raise StageSyntaxError(f"{what}: None comes first in a list of stages", ways=["[None, 'noise(0.05)']"])
    check_order([s for s in found if s is not None], what)
    return found


def check_order(stages: Sequence[Stage], what: str) -> None:
    """Raises `StageOrderError` for a structural stage after a stochastic one, or two stages of one name."""
    random, seen = None, set()
    for stage in stages:
        of_owner, label = not isinstance(stage, OnUse), (stage.inner if isinstance(stage, OnUse) else stage).label
        if (of_owner, label) in seen:
            raise StageOrderError(
                f"{what}: two stages are named '{label}'",
                ways=["keep one of them", f"give one of them another name:  {label}(…, name='{label}_2')"],
            )
        seen.add((of_owner, label))
        if of_owner and stage.kind == STRUCTURAL and random is not None:
            raise StageOrderError(
                f"{what}: '{stage}' defines what the weight is, and comes after '{random}', which disturbs it",
                ways=[f"write '{stage.name}' before '{random.name}'", f"for one use only:  tn.on_use({stage})"],
            )
        random = stage if of_owner and stage.kind == STOCHASTIC else random


__all__ = ["Misfit", "OnUse", "Part", "Run", "Stage", "define", "on_use", "parse", "read", "read_list"]
