"""A scan in whose gradient the products with what is the same in all steps leave the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tenure.functional.body import Body
from tenure.functional.recurrence import in_chunks

#: What costs little to compute once more in the gradient, and much to keep of every step.
_CHEAP = {"abs", "add", "and", "broadcast_in_dim", "concatenate", "convert_element_type", "div", "eq", "exp", "exp2"}
_CHEAP |= {"ge", "gt", "integer_pow", "iota", "le", "log", "log1p", "logistic", "lt", "max", "min", "mul", "ne", "neg"}
_CHEAP |= {"not", "or", "pad", "pow", "reshape", "rsqrt", "select_n", "sign", "slice", "split", "sqrt", "square"}
_CHEAP |= {"squeeze", "sub", "tanh", "transpose"}


def scan(
    body: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    xs: Any = None,
    length: int | None = None,
    *,
    reverse: bool = False,
    unroll: int | bool = 1,
    remat: int | bool = False,
) -> tuple[Any, Any]:
    """`jax.lax.scan`, in whose gradient products with what is the same in all steps are made once for all of them.

    In the gradient of `jax.lax.scan`, that of a matrix which all steps multiply with is added up step by step: all of its
    numbers are read and written in each step, for a product with a few rows. Here the body is looked at: where a
    product, a convolution or a lookup has a large operand that is the same in all steps, the loop backwards keeps the
    gradients of its results, and the operand's gradient is one product (convolution, sum) over all steps, made after it.
    That holds for matrices and for the frames that each step attends to. What is computed element by element is not kept
    of every step, but computed once more. The rule is `jax.custom_jvp`'s, made of differentiable functions, so that all
    derivatives of any order exist.

    Args:
      body: `body(carry, x) -> (carry, y)`, as for `jax.lax.scan`. It is called once.
      carry: before the first step.
      xs: a tree of arrays [T, ...].
      length: the number of steps, if there are no `xs`.
      reverse: whether to go from the last step to the first.
      unroll: how many steps are in one pass of the loop.
      remat: whether the gradient computes the steps once more, in chunks of so many steps (True: the square root of
        all), to need less memory; see `in_chunks`. `xs` are needed.

    Returns:
      The carry after the last step, and a tree of the outputs [T, ...].

    Source: the gradient as in cuDNN's kernels: Appleyard et al. 2016, https://arxiv.org/abs/1604.01946.

    >>> def loss(w):
    ...     def body(h, x):
    ...         h = jnp.tanh(x + h @ w)
    ...         return h, h
    ...     return scan(body, jnp.zeros((1, 8)), jnp.ones((5, 1, 8)))[1].sum()
    >>> jax.grad(loss)(jnp.eye(8)).shape
    (8, 8)
    """
    how: dict[str, Any] = dict(reverse=reverse, unroll=unroll)
    if remat:
        return in_chunks(lambda _, xs, at: scan(body, at, xs, **how), (), xs, carry, length=remat, reverse=reverse)
    carry = jax.tree.map(jnp.asarray, carry)
    seen = Body(body, carry, jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), xs))
    count = jax.tree.leaves(xs)[0].shape[0] if length is None else length

    def steps(consts: Any, carry: Any, xs: Any, taps: Any, factors: Any = None) -> Any:
        """The carry after all steps and the outputs; and the operands of products."""
        fixed = seen.fixed(consts)

        def one(carry: Any, inputs: Any) -> Any:
            x, taps = inputs
            out, operands = seen.step(fixed, carry, x, taps, factors)
            return out[: seen.carried], (out[seen.carried :], None if taps is None else operands)

        each = one if taps is None else jax.checkpoint(one, policy=_is_kept, prevent_cse=False)
        last, (ys, operands) = jax.lax.scan(each, carry, (xs, taps), length, **how)
        return (last, ys), operands

    @jax.custom_jvp
    def run(consts: Any, carry: Any, xs: Any) -> Any:
        return steps(consts, carry, xs, None)[0]

    @run.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        leaves, structure = jax.tree.flatten(primals)
        d_leaves = jax.tree.leaves(tangents)
        real = [i for i, x in enumerate(leaves) if jnp.issubdtype(x.dtype, jnp.inexact)]
        fixed = seen.fixed(primals[0])
        factors = [fixed[p.fixed] for p in seen.products]  # no arguments of what is made linear
        taps = [jnp.zeros((count, *p.eqn.outvars[0].aval.shape), p.eqn.outvars[0].aval.dtype) for p in seen.products]

        def of(real_leaves: Any, taps: Any) -> Any:
            whole = list(leaves)
            for i, x in zip(real, real_leaves, strict=True):
                whole[i] = x
            consts, carry, xs = jax.tree.unflatten(structure, whole)
            return steps(consts, carry, xs, taps, factors)

        out, linear, operands = jax.linearize(of, [leaves[i] for i in real], taps, has_aux=True)
        d_fixed = _derivative(seen, primals[0], tangents[0])
        d_taps = [jax.vmap(p, (None, 0))(d, h) for p, d, h in zip(seen.products, d_fixed, operands, strict=True)]
        return out, linear([d_leaves[i] for i in real], d_taps)

    given = seen.consts, jax.tree.leaves(carry), jax.tree.leaves(xs)
    last, ys = run(*given) if seen.products else steps(*given, taps=None)[0]
    return jax.tree.unflatten(seen.structure, [*last, *ys])


def _derivative(seen: Body, consts: Any, tangents: Any) -> list[Any]:
    """The derivative of each product's operand that is the same in all steps."""
    real = [i for i, x in enumerate(consts) if jnp.issubdtype(x.dtype, jnp.inexact)]

    def of(values: Any) -> Any:
        whole = list(consts)
        for i, x in zip(real, values, strict=True):
            whole[i] = x
        fixed = seen.fixed(whole)
        return [fixed[p.fixed] for p in seen.products]

    return jax.jvp(of, ([consts[i] for i in real],), ([tangents[i] for i in real],))[1]


def _is_kept(primitive: Any, *_: Any, **__: Any) -> bool:
    """Whether the gradient finds what an equation of the step gave, and does not compute it once more."""
    return primitive.name not in _CHEAP
