"""A loop of the program whose number of steps only values tell, with a gradient, which computes each step's variables anew."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

Function = Callable[..., Any]


def loop(test: Function, step: Function, first: jax.Array, leaves: list[jax.Array]) -> list[jax.Array]:
    """`step` on the variables as long as `test` holds of them; all that either closes over has a gradient too.

    Args:
      test: of the step's number and the variables, one argument each; gives a truth value.
      step: likewise; gives the next variables, of the same shapes and dtypes.
      first: the number of the first step.
      leaves: the first variables.
    """
    test_fn, test_consts = _closed(test, first, leaves)
    step_fn, step_consts = _closed(step, first, leaves)
    return list(_loop(test_fn, step_fn, first, leaves, test_consts, step_consts))


def _closed(function: Function, index: Any, leaves: list[jax.Array]) -> tuple[Function, list[Any]]:
    """The function with all that it closes over as its last argument, and what that is."""
    found = jax.make_jaxpr(function)(index, *leaves)

    def call(index: Any, now: Any, consts: Any) -> Any:
        return jaxpr_as_fun(ClosedJaxpr(found.jaxpr, consts))(index, *now)

    return call, list(found.consts)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _loop(test: Function, step: Function, start: Any, leaves: Any, test_consts: Any, step_consts: Any) -> Any:
    return _counted(test, step, start, leaves, test_consts, step_consts)[1]


def _counted(test: Function, step: Function, start: Any, leaves: Any, test_consts: Any, step_consts: Any) -> Any:
    def body(carry: Any) -> Any:
        index, now = carry
        return index + 1, step(index, now, step_consts)

    return jax.lax.while_loop(lambda carry: test(*carry, test_consts)[0], body, (start, leaves))


def _forward(test: Function, step: Function, *args: Any) -> Any:
    end, found = _counted(test, step, *args)
    return found, (end, *args)


def _backward(test: Function, step: Function, kept: Any, given: Any) -> Any:
    end, start, leaves, test_consts, step_consts = kept

    def back(carry: Any) -> Any:
        index, of_values, of_consts = carry
        now = jax.lax.fori_loop(start, index, lambda i, x: step(i, x, step_consts), leaves)

        def reals(values: Any, consts: Any) -> list[Any]:
            new = step(index, _with_reals(now, values), _with_reals(step_consts, consts))
            return _reals(new)

        _, pull = jax.vjp(reals, _reals(now), _reals(step_consts))
        before, more = pull(of_values)
        return index - 1, before, jax.tree.map(jnp.add, of_consts, more)

    first = (end - 1, [g for g, x in zip(given, leaves, strict=True) if _is_real(x)], _zeros(_reals(step_consts)))
    _, of_values, of_consts = jax.lax.while_loop(lambda carry: carry[0] >= start, back, first)
    return (
        _no_gradient(start),
        _cotangents(leaves, of_values),
        _cotangents(test_consts, _zeros(_reals(test_consts))),
        _cotangents(step_consts, of_consts),
    )


def _is_real(x: Any) -> bool:
    return bool(jnp.issubdtype(jnp.result_type(x) if not hasattr(x, "dtype") else x.dtype, jnp.inexact))


def _reals(values: Any) -> list[Any]:
    """Those that have a gradient."""
    return [x for x in values if _is_real(x)]


def _with_reals(values: Any, reals: Any) -> list[Any]:
    """`values`, with others in place of those that have a gradient."""
    rest = iter(reals)
    return [next(rest) if _is_real(x) else x for x in values]


def _zeros(values: Any) -> list[Any]:
    return [jnp.zeros_like(x) for x in values]


def _cotangents(values: Any, of_reals: Any) -> list[Any]:
    rest = iter(of_reals)
    return [next(rest) if _is_real(x) else _no_gradient(x) for x in values]


def _no_gradient(x: Any) -> Any:
    return np.zeros(np.shape(x), jax.dtypes.float0)


_loop.defvjp(_forward, _backward)
