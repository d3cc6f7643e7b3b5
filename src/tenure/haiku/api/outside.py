"""A run outside of `transform`, as a context; and what a run holds, as data."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from tenure.core.run.frame import Mode
from tenure.haiku.data_structures import to_haiku_dict
from tenure.haiku.engine import profile
from tenure.haiku.engine.frames import KEYS, HaikuFrame, StatePair, the_frame
from tenure.haiku.engine.keys import PRNGSequence

Bundles = dict[str, dict[str, Any]]


class HaikuContext:
    """Within, modules can be built and called; afterwards it has what they made. It can be entered again."""

    def __init__(self, frame: HaikuFrame):
        self._frame, self._stack = frame, contextlib.ExitStack()

    def collect_params(self) -> Bundles:
        """A copy of the parameters."""
        return to_haiku_dict(self._frame.stored())  # type: ignore[return-value]

    def collect_initial_state(self) -> Bundles:
        """The states' first values."""
        return to_haiku_dict(self._frame.bundles("initial"))  # type: ignore[return-value]

    def collect_state(self) -> Bundles:
        """The states' newest values."""
        return to_haiku_dict(self._frame.bundles("state", "stage"))  # type: ignore[return-value]

    def __enter__(self) -> HaikuContext:
        self._stack.enter_context(self._frame.active())
        return self

    def __exit__(self, *error: Any) -> bool | None:
        return self._stack.__exit__(*error)


def new_context(
    *, params: Mapping[str, Any] | None = None, state: Mapping[str, Any] | None = None, rng: Any = None
) -> HaikuContext:
    """A run outside of `transform`, as a context.

    Args:
      params: their values; None to create them.
      state: its values.
      rng: a key, a seed, or a sequence's state.

    >>> import jax, jax.numpy as jnp, tenure.haiku as hk
    >>> with hk.new_context(rng=jax.random.PRNGKey(42)) as run:
    ...     y = hk.nets.MLP([3, 2])(jnp.ones([1, 1]))
    >>> list(run.collect_params())
    ['mlp/~/linear_0', 'mlp/~/linear_1']
    """
    keys = PRNGSequence(rng) if rng is not None and not isinstance(rng, PRNGSequence) else rng
    mode = Mode.PLAN if params is None else Mode.APPLY
    copied: Any = None if params is None else to_haiku_dict(params)
    return HaikuContext(HaikuFrame(mode, profile=profile, params=copied, state=state, rng=keys))


def params_frozen() -> bool:
    """Whether parameters exist already: at apply."""
    return not the_frame("params_frozen").creating


class InternalState(NamedTuple):
    """What a run holds."""

    params: Any
    state: Any
    rng: Any


def internal_state(*, params: bool = True) -> InternalState:
    """What the running function holds, copied."""
    frame = the_frame("internal_state")
    first = frame.bundles("initial")
    pairs = {m: {n: StatePair(first[m][n], v) for n, v in b.items()} for m, b in frame.bundles("state").items()}
    return InternalState(frame.stored() if params else None, pairs, frame.handed_in().get(KEYS))


def difference(before: InternalState, after: InternalState) -> InternalState:
    """`after`, with None for what is the same object as before."""

    def changed(one: Bundles, two: Bundles) -> Bundles:
        return {m: {n: None if _same(one.get(m, {}).get(n), v) else v for n, v in b.items()} for m, b in two.items()}

    same = before.rng is not None and before.rng[0] is after.rng[0] and before.rng[1] is after.rng[1]
    return InternalState(
        changed(before.params, after.params), changed(before.state, after.state), None if same else after.rng
    )


def _same(one: Any, two: Any) -> bool:
    if isinstance(two, StatePair):
        return one is not None and one.initial is two.initial and one.current is two.current
    return one is two
