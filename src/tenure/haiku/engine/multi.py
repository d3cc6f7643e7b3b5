"""Several functions of one set of modules."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from tenure.core.errors import NonEmptyStateError
from tenure.core.model.transform import Transformed, TransformedWithState
from tenure.haiku.engine import signatures
from tenure.haiku.engine.halves import Tied, halves
from tenure.haiku.engine.transforms import check_no_rng, keep_original, takes_ties, transform_with_state

_USE_STATE = "If your transformed function uses `hk.{get,set}_state` then use `hk.multi_transform_with_state`."


class MultiTransformed(NamedTuple):
    """`init(rng, *args) -> params`, and a tree of `apply(params, rng, *args) -> out`."""

    init: Callable[..., Any]
    apply: Any

    @property
    def stateful(self) -> bool:
        return False


class MultiTransformedWithState(NamedTuple):
    """`init(rng, *args) -> (params, state)`, and a tree of `apply(params, state, rng, *args) -> (out, state)`."""

    init: Callable[..., tuple[Any, Any]]
    apply: Any

    @property
    def stateful(self) -> bool:
        return True


def _structure(f: Callable[[], Any]) -> Any:
    """The tree that holds the functions."""
    found: list[Any] = []

    def look() -> None:
        inner = transform_with_state(lambda: f()[1])
        key = jax.random.PRNGKey(42)
        found.append(jax.tree.structure(inner.apply(*inner.init(key), key)[0]))

    jax.eval_shape(look)
    return found[0]


@takes_ties
def multi_transform_with_state(f: Callable[[], tuple[Callable[..., Any], Any]]) -> MultiTransformedWithState:
    """As `multi_transform`, for functions with state.

    Args:
      f: builds modules; returns a function that calls all of them, and a tree of functions.
    """
    function, options = (f.function, {"ties": f.ties, "stages": f.stages}) if isinstance(f, Tied) else (f, {})
    structure = _structure(function)

    def init_fn(*args: Any, **kwargs: Any) -> Any:
        return function()[0](*args, **kwargs)

    def apply_of(i: int) -> Callable[..., Any]:
        def apply_fn(*args: Any, **kwargs: Any) -> Any:
            return jax.tree.leaves(function()[1])[i](*args, **kwargs)

        return transform_with_state(apply_fn, **options).apply

    applies = [apply_of(i) for i in range(structure.num_leaves)]
    init = transform_with_state(init_fn, **options).init
    made = MultiTransformedWithState(init, jax.tree.unflatten(structure, applies))
    return halves(made, multi_transform_with_state, f)


@takes_ties
def multi_transform(f: Callable[[], tuple[Callable[..., Any], Any]]) -> MultiTransformed:
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
    both = multi_transform_with_state(f)

    def init_fn(rng: Any, *args: Any, **kwargs: Any) -> Any:
        params, state = both.init(rng, *args, **kwargs)
        if state:
            raise NonEmptyStateError(_USE_STATE)
        return params

    def stateless(apply: Callable[..., Any]) -> Callable[..., Any]:
        def apply_fn(params: Any, rng: Any, *args: Any, **kwargs: Any) -> Any:
            out, state = apply(params, None, rng, *args, **kwargs)
            if state:
                raise NonEmptyStateError(_USE_STATE)
            return out

        return apply_fn

    made = MultiTransformed(init_fn, jax.tree.map(stateless, both.apply))
    return halves(made, multi_transform, f)


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
    stateful = isinstance(f, (TransformedWithState, MultiTransformedWithState))

    def without(apply: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        check_no_rng(kwargs)
        leading = 2 if stateful else 1
        return apply(*args[:leading], None, *args[leading:], **kwargs)

    if isinstance(f, (MultiTransformed, MultiTransformedWithState)):
        return type(f)(f.init, jax.tree.map(lambda apply: functools.partial(without, apply), f.apply))
    if not isinstance(f, (Transformed, TransformedWithState)):
        raise ValueError(
            "Must be called with the result of `hk.transformed`, `hk.multi_transform`, `hk.transformed_with_state` or "
            f"`hk.multi_transform_with_state`, actually called with {type(f)}"
        )
    apply = f.apply
    if stateful:

        def apply_fn(params: Any, state: Any, *args: Any, **kwargs: Any) -> Any:
            return without(apply, params, state, *args, **kwargs)

    else:

        def apply_fn(params: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[misc]
            return without(apply, params, *args, **kwargs)

    new = [signatures.PARAMS, signatures.STATE] if stateful else [signatures.PARAMS]
    signature = signatures.replace_leading(inspect.signature(apply), len(new) + 1, new)
    apply_fn.__signature__ = signature  # type: ignore[attr-defined]
    made: Any = type(f)
    return keep_original(f, halves(made(f.init, apply_fn), without_apply_rng, f))
