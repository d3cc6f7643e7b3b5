"""Several functions of one set of modules."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from tenure.core.model.kinds import Transformed, TransformedWithState
from tenure.haiku.api import signatures
from tenure.haiku.api.half import Half, half
from tenure.haiku.api.transforms import (
    apply_without_state,
    check_no_rng,
    init_without_state,
    takes_ties,
    transform_with_state,
)


class _Multi(NamedTuple):
    init: Callable[..., Any]
    apply: Any


class MultiTransformed(_Multi):
    """`init(rng, *args) -> params`, and a tree of `apply(params, rng, *args) -> out`."""

    stateful = False


class MultiTransformedWithState(_Multi):
    """`init(rng, *args) -> (params, state)`, and a tree of `apply(params, state, rng, *args) -> (out, state)`."""

    stateful = True


def _structure(f: Callable[[], Any]) -> Any:
    """The tree that holds the functions."""
    found: list[Any] = []

    def look() -> None:
        inner = transform_with_state(lambda: f()[1])
        key = jax.random.PRNGKey(42)
        found.append(jax.tree.structure(inner.apply(*inner.init(key), key)[0]))

    jax.eval_shape(look)
    return found[0]


def _all(function: Callable[[], Any], *args: Any, **kwargs: Any) -> Any:
    return function()[0](*args, **kwargs)


def _one(function: Callable[[], Any], number: int, *args: Any, **kwargs: Any) -> Any:
    return jax.tree.leaves(function()[1])[number](*args, **kwargs)


@takes_ties
def multi_transform_with_state(f: Any) -> MultiTransformedWithState:
    """As `multi_transform`, for functions with state.

    Args:
      f: builds modules; returns a function that calls all of them, and a tree of functions.
    """
    structure = _structure(f.function)

    def transformed(function: Callable[..., Any], *args: Any) -> TransformedWithState:
        return transform_with_state(functools.partial(function, f.function, *args), ties=f.ties, stages=f.stages)

    applies = [transformed(_one, i).apply for i in range(structure.num_leaves)]
    return MultiTransformedWithState(transformed(_all).init, jax.tree.unflatten(structure, applies))


@takes_ties
def multi_transform(f: Any) -> MultiTransformed:
    """Several functions that share modules, as pure functions of one set of parameters.

    Args:
      f: builds modules; returns a function that calls all of them, which initialises, and a tree of functions.

    Returns:
      `init(rng, *args) -> params`, and a tree like that of the functions, of `apply(params, rng, *args) -> out`.

    Raises:
      NonEmptyStateError: a function has state.

    >>> import jax.numpy as jnp, tenure.haiku as hk
    >>> def autoencoder():
    ...     encoder, decoder = hk.Linear(2, name="encoder"), hk.Linear(4, name="decoder")
    ...     return (lambda x: decoder(encoder(x))), {"encode": encoder, "decode": decoder}
    >>> f = hk.multi_transform(autoencoder)
    >>> params = f.init(jax.random.PRNGKey(0), jnp.ones((1, 4)))
    >>> f.apply["encode"](params, None, jnp.ones((1, 4))).shape
    (1, 2)
    """
    both = multi_transform_with_state(f.function, ties=f.ties, stages=f.stages)
    applies = jax.tree.map(lambda apply: Half(apply_without_state, TransformedWithState(both.init, apply)), both.apply)
    return MultiTransformed(Half(init_without_state, both), applies)


@half("apply_fn", lambda f: signatures.replace_leading(f.apply, 2, [signatures.PARAMS]))
def _apply_without_rng(f: Transformed, params: Any, *args: Any, **kwargs: Any) -> Any:
    check_no_rng(kwargs)
    return f.apply(params, None, *args, **kwargs)


@half("apply_fn", lambda f: signatures.replace_leading(f.apply, 3, [signatures.PARAMS, signatures.STATE]))
def _apply_with_state_without_rng(f: TransformedWithState, params: Any, state: Any, *args: Any, **kwargs: Any) -> Any:
    check_no_rng(kwargs)
    return f.apply(params, state, None, *args, **kwargs)


def without_apply_rng(f: Any) -> Any:
    """The same functions with an `apply` that takes no `rng`, for functions that draw no keys when applied.

    Args:
      f: what `transform`, `transform_with_state` or one of the `multi_` ones returned.

    Raises:
      ValueError: `f` is something else.

    >>> import jax.numpy as jnp, tenure.haiku as hk
    >>> f = hk.without_apply_rng(hk.transform(lambda x: hk.Linear(3)(x)))
    >>> f.apply(f.init(42, jnp.ones((2, 4))), jnp.ones((2, 4))).shape
    (2, 3)
    """
    if not isinstance(f, (Transformed, TransformedWithState, MultiTransformed, MultiTransformedWithState)):
        raise ValueError(
            "Must be called with the result of `hk.transformed`, `hk.multi_transform`, `hk.transformed_with_state` or "
            f"`hk.multi_transform_with_state`, actually called with {type(f)}"
        )
    run, pair = (_apply_without_rng, Transformed)
    if f.stateful:
        run, pair = (_apply_with_state_without_rng, TransformedWithState)
    made: Any = type(f)
    return made(f.init, jax.tree.map(lambda apply: Half(run, pair(f.init, apply)), f.apply))
