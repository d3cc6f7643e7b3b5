"""A recurrence whose gradient takes the products with its matrices out of the loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from tenure.functional.linear import by_matrix

#: `product(name, h)` multiplies an array of the step, [..., n], with a matrix that is the same in all steps.
Product = Callable[[str, jax.Array], jax.Array]
#: `step(product, params, x, state) -> (state, output)`, a pure function.
Step = Callable[[Product, Any, Any, Any], tuple[Any, Any]]
Bilinear = Callable[[jax.Array, jax.Array], jax.Array]


def recurrence(
    step: Step,
    matrices: Mapping[str, jax.Array],
    params: Any,
    xs: Any,
    state: Any,
    *,
    reverse: bool = False,
    unroll: int | bool = 1,
    bilinear: Bilinear = jnp.matmul,
) -> tuple[Any, Any]:
    """Runs a step over a sequence. The gradient of each matrix is one product over all steps, made after the loop.

    `jax.lax.scan` adds up a matrix's gradient step by step: for an LSTM [n, 4 n] numbers are read and written in each
    step, for a product with a batch's few rows. Here the forward pass keeps what each product gave; the loop backwards
    computes the rest of the step once more, and keeps the gradients of the products; and a matrix's gradient is the
    product of all inputs with all these gradients. The rule is `jax.custom_jvp`'s, made of differentiable functions: all
    derivatives of any order exist, `jax.jvp`, `jax.grad`, `jax.hessian` and `jax.vmap` included.

    Args:
      step: the step. It uses the matrices only through `product(name, h)`, and takes no array from outside its arguments.
      matrices: the matrices by name.
      params: a tree of the step's other parameters, whose gradients are added up step by step.
      xs: a tree of arrays [T, ...], one step's inputs behind the first axis; gates' sums, masks, keys.
      state: a tree, before the first step.
      reverse: whether to go from the last step to the first; outputs stay at their inputs' places.
      unroll: how many steps are in one pass of the loop; see `jax.lax.scan`.
      bilinear: what `product` computes of an input and a matrix. It treats the input's first axis as a batch.

    Returns:
      The state after the last step, and a tree of the outputs [T, ...].

    Source: the gradient as in cuDNN's and RETURNN's kernels: Appleyard et al. 2016, https://arxiv.org/abs/1604.01946.

    >>> def step(product, params, x, h):
    ...     h = jnp.tanh(x + product("w", h))
    ...     return h, h
    >>> def loss(w):
    ...     return recurrence(step, {"w": w}, (), jnp.ones((5, 1, 2)), jnp.zeros((1, 2)))[1].sum()
    >>> jax.grad(loss)(jnp.eye(2)).shape
    (2, 2)
    """
    scanned: dict[str, Any] = dict(reverse=reverse, unroll=unroll)
    differentiable, others, join = _split(xs)

    def plain(matrices: Any, params: Any, xs: Any, others: Any, state: Any) -> tuple[Any, Any]:
        def body(state: Any, x: Any) -> tuple[Any, Any]:
            return step(lambda name, h: bilinear(h, matrices[name]), params, join(*x), state)

        return jax.lax.scan(body, state, (xs, others), **scanned)

    run = jax.custom_jvp(plain)

    @run.defjvp
    def rule(primals: Any, tangents: Any) -> tuple[Any, Any]:
        matrices, params, xs, others, state = primals
        d_matrices, d_params, d_xs, _, d_state = tangents
        names: list[str] = []

        def kept(state: Any, x: Any) -> tuple[Any, Any]:
            names.clear()
            inputs, outputs = [], []

            def product(name: str, h: jax.Array) -> jax.Array:
                names.append(name)
                inputs.append(h)
                outputs.append(bilinear(h, matrices[name]))
                return outputs[-1]

            new, y = step(product, params, join(*x), state)
            leaves = jax.tree.leaves(state)  # an input that is a part of the state is not kept twice
            places.extend([_place(h, leaves) for h in inputs] if not places else [])
            return new, (y, state, outputs, [h for h, at in zip(inputs, places, strict=True) if at is None])

        places: list[int | None] = []
        last, (ys, states, products, inputs) = jax.lax.scan(kept, state, (xs, others), **scanned)
        left, parts = iter(inputs), jax.tree.leaves(states)
        whole = [next(left) if at is None else parts[at] for at in places]
        after = by_matrix if bilinear is jnp.matmul else bilinear
        moved = [
            after(_merged(h), d_matrices[name]).reshape(z.shape)
            for name, h, z in zip(names, whole, products, strict=True)
        ]

        def linear(matrices: Any, others: Any, primals: Any, tangents: Any) -> Any:
            """The derivative of one step in the direction of the tangents; the products' values are given."""

            def of(params: Any, x: Any, state: Any, products: Any) -> tuple[Any, Any]:
                given = iter(products)
                return step(
                    lambda name, h: _known(bilinear, h, matrices[name], next(given)), params, join(x, others), state
                )

            return jax.jvp(of, primals, tangents)[1]

        # what is linear in the tangents is kept as its inputs, not as the coefficients, which are many
        linear = jax.checkpoint(linear, prevent_cse=False)

        def derivative(d_state: Any, x: Any) -> tuple[Any, Any]:
            x, others, state, products, d_x, d_products = x
            return linear(matrices, others, (params, x, state, products), (d_params, d_x, d_state, d_products))

        d_last, d_ys = jax.lax.scan(derivative, d_state, (xs, others, states, products, d_xs, moved), **scanned)
        return (last, ys), (d_last, d_ys)

    return run(dict(matrices), params, differentiable, others, state)


def differentiated_as(plain: Callable[..., Any], other: Callable[..., Any]) -> Callable[..., Any]:
    """`plain`, differentiated as if it were `other`, which computes the same and has the better derivative.

    Args:
      plain: a pure function of arrays.
      other: a differentiable function of the same arguments.

    >>> f = differentiated_as(jnp.abs, lambda x: jnp.sqrt(x * x))
    >>> f(-2.0), jax.grad(f)(-2.0)
    (Array(2., dtype=float32, weak_type=True), Array(-1., dtype=float32, weak_type=True))
    """
    function = jax.custom_jvp(plain)
    function.defjvp(lambda primals, tangents: jax.jvp(other, primals, tangents))
    return function


def in_chunks(
    run: Callable[[Any, Any, Any], tuple[Any, Any]],
    params: Any,
    xs: Any,
    state: Any,
    *,
    length: int | bool,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Runs a recurrence chunk by chunk; the gradient computes each chunk once more, and keeps only the states between.

    With chunks of about the square root of T steps, memory grows with that root, besides inputs and outputs, for one
    more forward pass.

    Args:
      run: `run(params, xs, state) -> (state, ys)`, over a sequence of any length.
      params: a tree of arrays, for all chunks.
      xs: a tree of arrays [T, ...].
      state: before the first step.
      length: of a chunk in steps; True stands for the square root of T.
      reverse: whether `run` goes from the last step to the first.

    Returns:
      The state after the last step, and the outputs [T, ...].

    >>> def run(scale, xs, total):
    ...     return jax.lax.scan(lambda t, x: (t + scale * x, t), total, xs)
    >>> in_chunks(run, 2, jnp.arange(5), 0, length=2)
    (Array(20, dtype=int32), Array([ 0,  0,  2,  6, 12], dtype=int32))
    """
    steps = jax.tree.leaves(xs)[0].shape[0]
    if not isinstance(steps, int) or steps < 2:  # a symbolic number of steps has no chunks
        return run(params, xs, state)
    length = math.isqrt(steps - 1) + 1 if length is True else min(int(length), steps)
    chunks, rest = divmod(steps, length)
    whole = jax.tree.map(lambda a: a[rest:] if reverse else a[: steps - rest], xs)
    whole = jax.tree.map(lambda a: a.reshape(chunks, length, *a.shape[1:]), whole)
    once = jax.checkpoint(run, prevent_cse=False)
    state, ys = jax.lax.scan(lambda state, x: once(params, x, state), state, whole, reverse=reverse)
    ys = jax.tree.map(lambda a: a.reshape(chunks * length, *a.shape[2:]), ys)
    if not rest:
        return state, ys
    state, more = jax.checkpoint(run)(params, jax.tree.map(lambda a: a[:rest] if reverse else a[-rest:], xs), state)
    parts = (more, ys) if reverse else (ys, more)
    return state, jax.tree.map(lambda *a: jnp.concatenate(a), *parts)


def _known(bilinear: Bilinear, h: jax.Array, matrix: jax.Array, value: jax.Array) -> jax.Array:
    """The product of `h` and the matrix, whose value is known; its derivative by the matrix comes with the value's."""
    product = jax.custom_jvp(lambda h, matrix, value: value)
    product.defjvp(lambda primals, tangents: (primals[2], bilinear(tangents[0], primals[1]) + tangents[2]))
    return product(h, matrix, value)


def _merged(x: jax.Array) -> jax.Array:
    """The first two axes, steps and the first one of the step's, as one."""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]) if x.ndim > 2 else x


def _place(h: Any, leaves: list[Any]) -> int | None:
    return next((i for i, leaf in enumerate(leaves) if leaf is h), None)


def _split(tree: Any) -> tuple[list[Any], list[Any], Callable[[Any, Any], Any]]:
    """The leaves that have derivatives, the others, and the function that makes a tree of both again."""
    leaves, structure = jax.tree.flatten(tree)
    real = [jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in leaves]

    def join(first: list[Any], second: list[Any]) -> Any:
        one, two = iter(first), iter(second)
        return jax.tree.unflatten(structure, [next(one if r else two) for r in real])

    first, second = ([leaf for leaf, r in zip(leaves, real, strict=True) if r is kind] for kind in (True, False))
    return first, second, join
