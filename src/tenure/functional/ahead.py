"""A while loop before which the fixed operands of its products are turned into the order that products read."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core as jex

from tenure.functional.body import Body, Product

_SMALL = 4096  # elements; less is turned in no time


class Turned(Product):
    """A product whose fixed operand is read with its batch axes first, which XLA would turn in each step."""

    @property
    def order(self) -> tuple[int, ...]:
        """The fixed operand's axes: those of batches, then as matrices have them, [rows, columns]."""
        contracted, batch = self._numbers()
        free = [i for i in range(self.fixed.aval.ndim) if i not in {*contracted, *batch}]
        return (*batch, *free, *contracted) if self.place == 0 else (*batch, *contracted, *free)

    def _numbers(self) -> tuple[Any, Any]:
        contracted, batch = self.eqn.params["dimension_numbers"]
        return contracted[self.place], batch[self.place]

    def __call__(self, fixed: Any, other: Any) -> Any:
        """The product with the turned operand."""
        order = self.order
        contracted, batch = (list(axes) for axes in self.eqn.params["dimension_numbers"])
        for axes in (contracted, batch):
            axes[self.place] = tuple(order.index(i) for i in axes[self.place])
        numbers = (tuple(contracted), tuple(batch))
        operands = (fixed, other) if self.place == 0 else (other, fixed)
        return self.eqn.primitive.bind(*operands, **{**self.eqn.params, "dimension_numbers": numbers})


def _turned(whole: Any, eqn: Any, same: set[Any]) -> Product | None:
    """The equation as a product whose fixed operand is to be turned; None if that makes no difference."""
    if eqn.primitive.name != "dot_general":
        return None
    for place in (0, 1):
        fixed, other = eqn.invars[place], eqn.invars[1 - place]
        if isinstance(fixed, jex.Literal) or isinstance(other, jex.Literal) or fixed not in same or other in same:
            continue
        shape, batch = fixed.aval.shape, eqn.params["dimension_numbers"][1][place]
        if tuple(batch) == tuple(range(len(batch))) or not all(isinstance(n, int) for n in shape):
            return None
        return Turned(whole, eqn, place) if math.prod(shape) >= _SMALL else None
    return None


def while_loop(cond: Callable[[Any], Any], body: Callable[[Any], Any], carry: Any) -> Any:
    """`jax.lax.while_loop`, before which arrays that are the same in all steps are turned for their products.

    A product with several matrices at once, such as the frames that an encoder gave for each sentence, is computed by XLA with the
    axes of those in front. Where a body's array has them elsewhere, XLA copies it in every step; here it is copied once.

    Args:
      cond: whether to go on with a value.
      body: from one value to the next.
      carry: the first value, a tree of arrays.

    Returns:
      The last value.

    >>> frames = jnp.arange(5 * 32 * 64.0).reshape(5, 32, 64)  # steps, sentences, features
    >>> def body(h):
    ...     return jax.nn.softmax(jnp.einsum("tbf,bt->bf", frames, h))[:, :5]
    >>> while_loop(lambda h: h[0, 0] > 1, body, jnp.full((32, 5), 2.0)).shape
    (32, 5)
    """
    carry = jax.tree.map(jnp.asarray, carry)
    seen = Body(lambda carry, _: (body(carry), ()), carry, (), find=_turned)
    if not seen.products:
        return jax.lax.while_loop(cond, body, carry)
    fixed = seen.fixed(seen.consts)
    factors = [jnp.transpose(fixed[p.fixed], p.order) for p in seen.products]  # type: ignore[attr-defined]

    def step(carry: Any) -> Any:
        out, _ = seen.step(fixed, jax.tree.leaves(carry), [], factors=factors)
        return jax.tree.unflatten(jax.tree.structure(carry), out)

    return jax.lax.while_loop(cond, step, carry)
