"""JAX's transformations as Haiku calls them: the core's, with Haiku's arguments, and errors of its kinds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax

from tenure.core.run import transformations as core
from tenure.haiku.engine.frames import inside_transform, the_frame

_MISSING = object()

_INIT_HINT = """hk.cond and hk.switch need the same structure of parameters and state from each branch. If a branch \
creates some, run all branches once while initialising:

    if hk.running_init():
      x = branch_a(x)
      x = branch_b(x)
    else:
      x = hk.cond(pred, branch_a, branch_b, x)
"""


def check_inside(name: str, plain: str = "") -> None:
    """Raises `ValueError` outside of a transformed function."""
    if not inside_transform():
        raise ValueError(
            f"hk.{name}() should not be used outside of hk.transform(). Use {plain or f'jax.{name}'}() instead."
        )


@functools.wraps(jax.jit, assigned=(), updated=())
def jit(fun: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """As `jax.jit`, for functions that use modules, inside of a transformed function."""
    check_inside("jit")
    return core.jit(fun, **options)


@functools.wraps(jax.remat, assigned=(), updated=())
def remat(fun: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """As `jax.checkpoint`, for functions that use modules: recomputes `fun` in the backward pass to save memory.

    Args:
      fun: uses modules, parameters, state or keys.
      prevent_cse, static_argnums, policy: as for `jax.checkpoint`.

    >>> import tenure.haiku as hk
    >>> f = hk.transform(lambda x: hk.remat(hk.Linear(3))(x))
    >>> f.init(jax.random.PRNGKey(0), jax.numpy.ones((2, 4)))["linear"]["w"].shape
    (4, 3)
    """
    check_inside("remat")
    return core.remat(fun, **options)


def value_and_grad(
    fun: Callable[..., Any], argnums: Any = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[..., Any]:
    """As `jax.value_and_grad`, for functions that use modules: by the arguments, not by parameters.

    >>> import jax.numpy as jnp, tenure.haiku as hk
    >>> f = hk.transform(lambda x: hk.value_and_grad(lambda x: hk.Linear(1, w_init=jnp.ones)(x)[0])(x))
    >>> params = f.init(jax.random.PRNGKey(0), jnp.ones(2))
    >>> f.apply(params, None, jnp.ones(2))
    (Array(2., dtype=float32), Array([1., 1.], dtype=float32))
    """
    check_inside("grad")
    return core.value_and_grad(fun, argnums, has_aux, holomorphic=holomorphic)


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
    check_inside("grad")
    return core.grad(fun, argnums, has_aux, holomorphic=holomorphic)


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
    options = {"spmd_axis_name": spmd_axis_name}
    mapped = core.vmap(fun, in_axes, out_axes, axis_name, axis_size, split_rng=split_rng, **options)

    @functools.wraps(fun)
    def wrapped(*args: Any) -> Any:
        try:
            return mapped(*args)
        except ValueError as e:
            if split_rng and the_frame("vmap").creating and "out_axes" in str(e):
                raise ValueError(
                    "hk.vmap does not support setting split_rng to True during initialization because it assumes "
                    "parameters are always shared along the mapped dimension. Consider switching the value of "
                    "`split_rng` to False during initialization through `split_rng=(not hk.running_init())`."
                ) from e
            raise

    return wrapped


def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """As `jax.eval_shape`, for functions that use modules; what they create or set is dropped.

    >>> import tenure.haiku as hk, jax.numpy as jnp
    >>> f = hk.transform(lambda x: jnp.zeros(hk.eval_shape(hk.Linear(3), x).shape))
    >>> f.init(jax.random.PRNGKey(0), jnp.ones((2, 4)))
    {}
    """
    check_inside("eval_shape")
    return core.eval_shape(fun, *args, **kwargs)


def scan(
    f: Callable[..., Any], init: Any, xs: Any, length: int | None = None, reverse: bool = False, unroll: int = 1
) -> Any:
    """As `jax.lax.scan`, for functions that use modules. At init the first step runs in Python, and creates.

    >>> import jax.numpy as jnp, tenure.haiku as hk
    >>> def sums(xs):
    ...     linear = hk.Linear(1)  # built outside: each step uses the same parameters
    ...     return hk.scan(lambda c, x: (c + linear(x), c), jnp.zeros(1), xs)[0]
    >>> params = hk.transform(sums).init(jax.random.PRNGKey(0), jnp.ones((5, 4)))
    >>> params["linear"]["w"].shape
    (4, 1)
    """
    check_inside("scan", "jax.lax.scan")
    return core.scan(f, init, xs, length, reverse, unroll)


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """As `jax.lax.map`, for functions that use modules.

    >>> import jax.numpy as jnp, tenure.haiku as hk
    >>> f = hk.transform(lambda xs: hk.map(hk.Linear(1), xs))
    >>> params = f.init(jax.random.PRNGKey(0), jnp.ones((5, 4)))
    >>> f.apply(params, None, jnp.ones((5, 4))).shape
    (5, 1)
    """
    check_inside("scan", "jax.lax.scan")
    return core.map(f, xs)


def while_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any) -> Any:
    """As `jax.lax.while_loop`, for functions that use modules; only at apply, since nobody knows whether it runs.

    Raises:
      ValueError: at init; or `cond_fun` sets state or draws keys.
    """
    check_inside("while_loop", "jax.lax.while_loop")
    if the_frame("while_loop").creating:
        raise ValueError(
            "hk.while_loop does not support initialization (since we cannot statically determine if your loop will run "
            "at least once). Please use `hk.running_init` to run the body unconditionally:\n\n"
            "    if hk.running_init():\n"
            "      val = module(val)  # creates its parameters\n"
            "    else:\n"
            "      val = hk.while_loop(lambda val: val.mean() < 1, module, val)\n"
        )
    return core.while_loop(cond_fun, body_fun, init_val)


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """As `jax.lax.fori_loop`, for functions that use modules. At init the first step runs in Python, and creates."""
    check_inside("fori_loop", "jax.lax.fori_loop")
    return core.fori_loop(lower, upper, body_fun, init_val)


def _chosen(function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)`, which chooses among branches."""
    try:
        return function(*args)
    except TypeError as e:
        if the_frame("cond").creating and ("must have same type structure" in str(e) or "output" in str(e)):
            raise TypeError(f"{e}\n\n{_INIT_HINT}") from e
        raise


def _old_arguments(
    pred: Any, true_operand: Any = None, true_fun: Any = None, false_operand: Any = None, false_fun: Any = None
) -> Any:
    """The arguments of the older way to call `cond`, or None if it is not meant."""
    if not callable(true_fun) or not callable(false_fun):
        return None
    both = true_operand, false_operand
    return pred, lambda both: true_fun(both[0]), lambda both: false_fun(both[1]), both


def _new_arguments(pred: Any, true_fun: Any, false_fun: Any, *operands: Any, operand: Any = _MISSING) -> Any:
    if operand is not _MISSING:
        if operands:
            raise ValueError(
                "When the operand keyword argument is used you cannot also pass operands positionally. Got "
                f"operand={operand} and *operands={tuple(operands)}"
            )
        operands = (operand,)
    return pred, true_fun, false_fun, *operands


@functools.wraps(jax.lax.cond, assigned=(), updated=())
def cond(*args: Any, **kwargs: Any) -> Any:
    """As `jax.lax.cond`, for functions that use modules. Both branches must create and set the same.

    Raises:
      TypeError: one branch creates what the other does not.
    """
    check_inside("cond", "jax.cond")
    try:
        old = _old_arguments(*args, **kwargs)
    except TypeError:
        old = None
    return _chosen(core.cond, *(old or _new_arguments(*args, **kwargs)))


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """As `jax.lax.switch`, for functions that use modules. All branches must create and set the same.

    Raises:
      TypeError: one branch creates what another does not.

    >>> import jax.numpy as jnp, tenure.haiku as hk
    >>> f = hk.transform(lambda i, x: hk.switch(i, [hk.nets.MLP([1])] * 2, x))
    >>> f.apply(f.init(jax.random.PRNGKey(0), 1, jnp.ones((1, 4))), None, 1, jnp.ones((1, 4))).shape
    (1, 1)
    """
    check_inside("switch", "jax.switch")
    return _chosen(core.switch, index, branches, *operands)
