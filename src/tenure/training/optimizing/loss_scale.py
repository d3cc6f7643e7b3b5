"""Losses that are scaled so that gradients in float16 do not vanish: the factor follows what the gradients allow.

Source: Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740, section 3.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp


@dataclass(frozen=True)
class LossScale:
    """How the factor changes. It is kept with the optimizer's state.

    Attributes:
      first: the factor at the start.
      factor: by which it grows and shrinks.
      steps: so many steps in a row whose gradients are numbers make it grow; one step whose gradients are none makes it shrink.
      least: it gets no smaller.

    >>> scale = LossScale(first=8.0, steps=2)
    >>> state = scale.init()
    >>> for good in (True, True, False):
    ...     state = scale.after(state, jnp.asarray(good))
    ...     print(float(state["scale"]), int(state["good"]))
    8.0 1
    16.0 0
    8.0 0
    """

    first: float = 2.0**15
    factor: float = 2.0
    steps: int = 2000
    least: float = 1.0

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LossScale | None:
        """That of the key `mixed_precision`; None where gradients need none."""
        return cls() if config.get("mixed_precision") == "float16" else None

    def init(self) -> dict[str, Any]:
        """The state before the first step."""
        return {"scale": jnp.float32(self.first), "good": jnp.int32(0)}

    def after(self, state: Mapping[str, Any], finite: Any) -> dict[str, Any]:
        """The state after a step.

        Args:
          state: before it.
          finite: whether all gradients were numbers.
        """
        grows = finite & (state["good"] + 1 >= self.steps)
        up, down = state["scale"] * self.factor, jnp.maximum(state["scale"] / self.factor, self.least)
        scale = jnp.where(grows, jnp.where(jnp.isfinite(up), up, state["scale"]), state["scale"])
        return {
            "scale": jnp.where(finite, scale, down),
            "good": jnp.where(finite & ~grows, state["good"] + 1, 0),
        }


def all_finite(tree: Any) -> Any:
    """Whether all entries of all arrays are numbers."""
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)] or [jnp.asarray(True)]))
