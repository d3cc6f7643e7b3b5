"""What a recurrent core computes over a whole sequence, as pure functions of its parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from tenure.functional import differentiated_as, in_chunks, recurrence
from tenure.functional.recurrence import Bilinear, Product


@dataclasses.dataclass(frozen=True)
class Recurrence:
    """A core's step, taken apart so that products with its matrices can leave the loop.

    Attributes:
      params: a tree of the core's parameters.
      plain: `plain(params, x, state) -> (state, output)`: one step, as the core's `__call__` computes it.
      transform: `transform(params, xs)`: what of the steps depends on the inputs [T, ...] only.
      matrices: `matrices(params)`: what a step multiplies parts of the state with, by name.
      step: `step(product, params, x, state) -> (state, output)`: one step of a transformed input; see
        `functional.recurrence`.
      bilinear: the product of a part of the state and a matrix.
    """

    params: Any
    plain: Callable[[Any, Any, Any], tuple[Any, Any]]
    transform: Callable[[Any, Any], Any]
    matrices: Callable[[Any], Mapping[str, jax.Array]]
    step: Callable[[Product, Any, Any, Any], tuple[Any, Any]]
    bilinear: Bilinear = jnp.matmul

    def run(
        self, xs: Any, state: Any, *, reverse: bool = False, unroll: int | bool = 1, remat: bool | int = False
    ) -> tuple[Any, Any]:
        """All steps: the last state, and (outputs, states) [T, ...].

        Without differentiation they are computed step by step, as by the core itself, bit by bit. With it, the inputs'
        products come first, and the matrices' gradients last, each in one product; results differ in rounding.

        Args:
          xs: inputs [T, ...].
          state: before the first step.
          reverse: whether to go from the last step to the first.
          unroll: how many steps are in one pass of the loop.
          remat: whether the gradient computes the steps once more, in chunks; see `functional.in_chunks`.
        """

        def step_by_step(params: Any, xs: Any, state: Any) -> tuple[Any, Any]:
            def body(state: Any, x: Any) -> tuple[Any, Any]:
                state, y = self.plain(params, x, state)
                return state, (y, state)

            return jax.lax.scan(body, state, xs, reverse=reverse, unroll=unroll)

        def step(product: Product, params: Any, x: Any, state: Any) -> tuple[Any, Any]:
            state, y = self.step(product, params, x, state)
            return state, (y, state)

        def moved_out(params: Any, xs: Any, state: Any) -> tuple[Any, Any]:
            inputs = self.transform(params, xs)
            how: dict[str, Any] = dict(reverse=reverse, unroll=unroll, bilinear=self.bilinear)
            return recurrence(step, self.matrices(params), params, inputs, state, **how)

        def in_parts(params: Any, xs: Any, state: Any) -> tuple[Any, Any]:
            return in_chunks(moved_out, params, xs, state, length=remat, reverse=reverse)

        return differentiated_as(step_by_step, in_parts if remat else moved_out)(self.params, xs, state)
