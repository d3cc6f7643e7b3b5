"""JAX's transformations inside a transformed function, with Haiku's rules for names and keys.

Parameters that exist are closed over, and JAX broadcasts them. What the body adds or changes (parameters while the
function creates, state, keys) comes out as a further result, so that a wrapper's cost does not grow with the model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tenure.haiku.engine.frames import Bundles, HaikuFrame, StatePair, inside_transform, the_frame
from tenure.haiku.engine.keys import PRNGSequence, missing_key


class Changes(NamedTuple):
    """What a transformed body did: new parameters, changed states, and the keys that are left."""

    params: Bundles
    state: Bundles
    rng: Any


def rng_state(frame: HaikuFrame) -> Any:
    """The keys as JAX can pass them on, or None."""
    return None if frame.rng is None else frame.rng.internal_state


def new_entries(before: Bundles, after: Bundles) -> Bundles:
    """The entries that are not the same objects as before."""
    found: Bundles = {}
    for module, bundle in after.items():
        known = before.get(module, {})
        for name, value in bundle.items():
            if not _same(known.get(name), value):
                found.setdefault(module, {})[name] = value
    return found


def _same(one: Any, two: Any) -> bool:
    if isinstance(two, StatePair):
        return one is not None and one.initial is two.initial and one.current is two.current
    return one is two


def run_body(
    frame: HaikuFrame, fun: Callable[..., Any], rng: Any, args: Any, kwargs: Any, *, shares_names: bool = False
) -> tuple[Any, Changes]:
    """Calls `fun` in its own branch of the frame; returns its result and what it changed."""
    before = frame.params, frame.state
    with frame.body(rng, shares_names=shares_names):
        out = fun(*args, **kwargs)
        params = {} if frame.frozen else new_entries(before[0], frame.params)
        return out, Changes(params, new_entries(before[1], frame.state), rng_state(frame))


def merge_changes(frame: HaikuFrame, changes: Changes) -> None:
    """Takes over what a body changed."""
    for target, source in ((frame.params, changes.params), (frame.state, changes.state)):
        for module, bundle in source.items():
            target.setdefault(module, {}).update(jax.tree.map(_as_array, bundle))
    if changes.rng is not None and frame.rng is not None:
        frame.rng.replace_internal_state(changes.rng)


def _as_array(value: Any) -> Any:
    """`value`; a number that JAX made of a constant result becomes an array again."""
    return jnp.asarray(value, getattr(value, "dtype", None)) if isinstance(value, (int, float)) else value


def check_inside(name: str, plain: str = "") -> None:
    """Raises `ValueError` outside of a transformed function."""
    if not inside_transform():
        raise ValueError(
            f"hk.{name}() should not be used outside of hk.transform(). Use {plain or f'jax.{name}'}() instead."
        )


def _lifted(name: str, jax_transform: Callable[..., Any], doc: str) -> Callable[..., Any]:
    """A transformation whose result is the function's own: jit, remat. Names that the body takes stay taken."""

    @functools.wraps(jax_transform)
    def transform(fun: Callable[..., Any], *options: Any, **named: Any) -> Callable[..., Any]:
        check_inside(name)

        @functools.wraps(fun)
        def pure(hk_rng: Any, *args: Any, **kwargs: Any) -> Any:
            return run_body(the_frame(name), fun, hk_rng, args, kwargs, shares_names=True)

        @functools.wraps(fun)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            frame = the_frame(name)
            fresh = lambda *a, **k: pure(*a, **k)  # noqa: E731  # JAX must not take this call for an earlier one
            out, changes = jax_transform(fresh, *options, **_shifted(named))(rng_state(frame), *args, **kwargs)
            merge_changes(frame, changes)
            return out

        return wrapped

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = doc
    return transform


def _shifted(options: dict[str, Any]) -> dict[str, Any]:
    """Options that count arguments, with the keys as a first argument."""

    def shift(n: int) -> int:
        return n + 1 if n >= 0 else n

    counting = ("static_argnums", "donate_argnums")
    return {
        k: (tuple(map(shift, v)) if isinstance(v, (tuple, list)) else shift(v))
        if k in counting and v is not None
        else v
        for k, v in options.items()
    }


jit = _lifted("jit", jax.jit, "As `jax.jit`, for functions that use modules, inside of a transformed function.")
remat = _lifted(
    "remat",
    jax.remat,
    """As `jax.checkpoint`, for functions that use modules: recomputes `fun` in the backward pass to save memory.

    Args:
      fun: uses modules, parameters, state or keys.
      prevent_cse, static_argnums, policy: as for `jax.checkpoint`.

    >>> import tenure.haiku as hk
    >>> f = hk.transform(lambda x: hk.remat(hk.Linear(3))(x))
    >>> f.init(jax.random.PRNGKey(0), jax.numpy.ones((2, 4)))["linear"]["w"].shape
    (4, 3)
    """,
)


def value_and_grad(
    fun: Callable[..., Any], argnums: Any = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[..., Any]:
    """As `jax.value_and_grad`, for functions that use modules: by the arguments, not by parameters.

    >>> import tenure.haiku as hk
    >>> f = hk.transform(lambda x: hk.value_and_grad(lambda x: hk.Linear(1, w_init=jnp.ones)(x)[0])(x))
    >>> import jax.numpy as jnp
    >>> params = f.init(jax.random.PRNGKey(0), jnp.ones(2))
    >>> f.apply(params, None, jnp.ones(2))
    (Array(2., dtype=float32), Array([1., 1.], dtype=float32))
    """
    check_inside("grad")

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        frame = the_frame("grad")

        @functools.wraps(fun)
        def pure(*args: Any, hk_rng: Any, **kwargs: Any) -> Any:
            out, changes = run_body(frame, fun, hk_rng, args, kwargs)
            value, aux = out if has_aux else (out, None)
            return value, (aux, changes)

        both = jax.value_and_grad(pure, argnums=argnums, has_aux=True, holomorphic=holomorphic)
        (value, (aux, changes)), grads = both(*args, hk_rng=rng_state(frame), **kwargs)
        merge_changes(frame, changes)
        return ((value, aux) if has_aux else value), grads

    return wrapped


def grad(
    fun: Callable[..., Any], argnums: Any = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[..., Any]:
    """As `jax.grad`, for functions that use modules: by the arguments, not by parameters.

    >>> import tenure.haiku as hk, jax.numpy as jnp
    >>> f = hk.transform(lambda x: hk.grad(lambda x: (hk.Linear(2, w_init=jnp.ones)(x) ** 2).sum() / 4)(x))
    >>> params = f.init(None, jnp.ones(2))
    >>> f.apply(params, None, jnp.ones(2))
    Array([2., 2.], dtype=float32)
    """
    both = value_and_grad(fun, argnums, has_aux, holomorphic)

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        value, grads = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return wrapped


def _mapped_size(args: Any, in_axes: Any) -> int:
    """How many lanes there are."""

    def sizes(axis: int | None, arrays: Any) -> Any:
        if axis is None:
            return None
        shapes = [a.shape for a in jax.tree.leaves(arrays)]
        found = {s[axis] for s in shapes}
        if len(found) != 1:
            raise ValueError(
                f"Arrays must have the same mapped axis size, found sizes {found} for input shapes {shapes}"
            )
        return found.pop()

    return jax.tree.leaves(jax.tree.map(sizes, in_axes, args, is_leaf=lambda x: x is None))[0]


def _needs_split_rng(vmap: Callable[..., Any]) -> Callable[..., Any]:
    """Says how to go on without `split_rng`, which older programs do not give."""

    @functools.wraps(vmap)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if "split_rng" not in kwargs and not checked.require_split_rng:  # type: ignore[attr-defined]
            kwargs["split_rng"] = False
        if "split_rng" not in kwargs:
            raise TypeError(
                "hk.vmap needs the argument split_rng: whether each lane draws its own keys. For code that can not be "
                "changed, set `hk.vmap.require_split_rng = False`."
            )
        return vmap(*args, **kwargs)

    checked.require_split_rng = True  # type: ignore[attr-defined]
    return checked


@_needs_split_rng
def vmap(
    fun: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: str | None = None,
    axis_size: int | None = None,
    *,
    split_rng: bool,
    spmd_axis_name: Any | None = None,
) -> Callable[..., Any]:
    """As `jax.vmap`, for functions that use modules. Parameters and state are shared by all lanes.

    Args:
      fun, in_axes, out_axes, axis_name, axis_size, spmd_axis_name: as for `jax.vmap`; `in_axes` maps something.
      split_rng: whether each lane draws its own keys. Must be False where lanes create parameters, at init.

    Raises:
      ValueError: nothing is mapped; or parameters are created in lanes that differ in their keys.

    >>> import tenure.haiku as hk
    >>> f = hk.transform(lambda x: hk.vmap(hk.Linear(3), split_rng=False)(x))
    >>> params = f.init(jax.random.PRNGKey(0), jax.numpy.ones((2, 4)))
    >>> f.apply(params, None, jax.numpy.ones((2, 4))).shape
    (2, 3)
    """
    if not jax.tree.leaves(in_axes):
        raise ValueError(f"{fun.__name__} must have at least one non-None value in in_axes to use with `hk.vmap`.")
    in_axes = tuple(in_axes) if isinstance(in_axes, list) else in_axes

    @functools.wraps(fun)
    def wrapped(*args: Any) -> Any:
        frame = the_frame("vmap")

        @functools.wraps(fun)
        def pure(args: Any, rng: Any) -> Any:
            rng = PRNGSequence(rng).internal_state if split_rng else rng
            return run_body(frame, fun, rng, args, {})

        rng_axis = 0 if split_rng else None
        keys = _lane_keys(frame, _mapped_size(args, in_axes)) if split_rng else rng_state(frame)
        out_changes = Changes(None, None, rng_axis)  # type: ignore[arg-type]
        mapped = jax.vmap(
            pure, (in_axes, rng_axis), (out_axes, out_changes), axis_name, axis_size, spmd_axis_name=spmd_axis_name
        )
        try:
            out, changes = mapped(args, keys)
        except ValueError as e:
            if split_rng and not frame.frozen and "out_axes" in str(e):
                raise ValueError(
                    "hk.vmap does not support setting split_rng to True during initialization because it assumes "
                    "parameters are always shared along the mapped dimension. Consider switching the value of "
                    "`split_rng` to False during initialization through `split_rng=(not hk.running_init())`."
                ) from e
            raise
        merge_changes(frame, changes._replace(rng=None) if split_rng else changes)
        return out

    return wrapped


def _lane_keys(frame: HaikuFrame, num: int) -> Any:
    if frame.rng is None:
        raise missing_key()
    return jnp.stack(frame.rng.take(num))


def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """As `jax.eval_shape`, for functions that use modules; what they create or set is dropped.

    >>> import tenure.haiku as hk, jax.numpy as jnp
    >>> f = hk.transform(lambda x: jnp.zeros(hk.eval_shape(hk.Linear(3), x).shape))
    >>> f.init(jax.random.PRNGKey(0), jnp.ones((2, 4)))
    {}
    """
    check_inside("eval_shape")
    frame = the_frame("eval_shape")

    @functools.wraps(fun)  # JAX's errors name the line of what it wraps
    def pure(hk_rng: Any, args: Any, kwargs: Any) -> Any:
        return run_body(frame, fun, hk_rng, args, kwargs)[0]

    return jax.eval_shape(pure, rng_state(frame), args, kwargs)
