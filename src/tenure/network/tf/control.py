"""What steers a program: loops, conditions, scopes, and what TensorFlow's graphs had on the side, which does nothing here."""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.errors import TenureError
from tenure.network.tf import arrays, loops, random
from tenure.network.tf.static import UnknownTensorFlowError, is_static

Function = Callable[..., Any]
UNROLLED = 100
UNROLLED_IF_NEEDED = 2**12
LONGEST = 20  # a loop has at most 2²⁰ steps, one inside of its body 2¹⁰, and so on: half the exponent each time

_depth: contextvars.ContextVar[int] = contextvars.ContextVar("tenure_loop_depth", default=0)


class _Steps:
    """How many steps were unrolled, of a loop and of all loops inside of it."""

    def __init__(self) -> None:
        self.count = 0

    def check(self, error: Exception, more: int = 1) -> None:
        """Refuses more steps than a dictionary, which is data, may have unrolled.

        Args:
          error: what the body said when it got no known numbers.
          more: so many steps are to be unrolled.

        Raises:
          UnknownTensorFlowError: they are too many.
        """
        if self.count + more > UNROLLED_IF_NEEDED:
            raise UnknownTensorFlowError(
                f"a loop of TensorFlow whose body needs known numbers has more than {UNROLLED_IF_NEEDED} steps, those of loops "
                f"inside of it included; without known numbers the body says: {[*str(error).splitlines(), ''][0]}",
                ways=["a body that gives arrays of the same shapes in each step", "fewer steps"],
            ) from error


_steps: contextvars.ContextVar[_Steps | None] = contextvars.ContextVar("tenure_unrolled_steps", default=None)


@contextlib.contextmanager
def _unrolled_steps() -> Iterator[_Steps]:
    """The steps of the outermost loop that is being computed."""
    found = _steps.get() or _Steps()
    token = _steps.set(found)
    try:
        yield found
    finally:
        _steps.reset(token)


def cond(
    pred: Any,
    true_fn: Function | None = None,
    false_fn: Function | None = None,
    name: Any = None,
    fn1: Any = None,
    fn2: Any = None,
    strict: bool = False,
) -> Any:
    """One of two results; both are computed where the condition is not known."""
    true_fn, false_fn = true_fn or fn1, false_fn or fn2
    if is_static(pred):
        return (true_fn if pred else false_fn)()
    return jax.tree.map(lambda a, b: jnp.where(pred, a, b), *arrays.alike(true_fn(), false_fn()))


def while_loop(
    cond: Function,
    body: Function,
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    maximum_iterations: Any = None,
    name: str | None = None,
    return_same_structure: bool = False,
) -> Any:
    """`body` on the loop's variables as long as `cond` holds of them.

    A loop whose condition is known before the program runs is unrolled: its first 100 steps, and more where a step needs known
    numbers, as with arrays whose shapes differ from step to step. In all, with the loops inside of its body, 2¹² steps are
    unrolled. Any other is a loop of the program; its gradient computes the variables of each step once more, from the start,
    so it suits loops of few steps.

    A loop may have 2²⁰ steps, one inside of a loop's body 2¹⁰, as a dictionary is data, and must not take hours. Where the
    condition still holds after that many, all of its variables are NaN, and those of other dtypes the least number.

    Args:
      cond: of all variables; gives a truth value.
      body: of all variables; gives their next values.
      loop_vars: the first values, a list or tuple of arrays or trees; or one array.
      shape_invariants, parallel_iterations, back_prop, swap_memory, name: have no effect.
      maximum_iterations: after which the loop ends in any case.
      return_same_structure: whether a list of one variable stays a list.

    Raises:
      UnknownTensorFlowError: the loop would never end, `maximum_iterations` is a number beyond the bound, or too many steps
        need known numbers.
    """
    most = 2 ** (LONGEST >> _depth.get())
    if isinstance(maximum_iterations, (int, np.integer)) and maximum_iterations > most:
        raise UnknownTensorFlowError(
            f"tf.while_loop: {maximum_iterations} steps are more than the {most} that a loop may have here",
            ways=["use whole arrays instead of a loop over their entries", "leave 'maximum_iterations' out"],
        )
    single = not isinstance(loop_vars, (list, tuple))
    values = (loop_vars,) if single else tuple(loop_vars)
    with random.own_keys() as keys, _unrolled_steps() as steps:

        def step(index: Any, now: tuple[Any, ...]) -> tuple[Any, ...]:
            with keys.step(index), _inside():
                new = body(*now)
            new = new if isinstance(new, (list, tuple)) and (len(now) > 1 or len(new) == 1) else (new,)
            return tuple(new)

        limit = None if maximum_iterations is None else maximum_iterations

        def goes_on(index: Any, now: tuple[Any, ...]) -> Any:
            held = cond(*now)
            if is_static(held) and held and limit is None:
                raise UnknownTensorFlowError(
                    "tf.while_loop: its condition depends on no variable of the loop, which would never end",
                    ways=["give 'maximum_iterations'", "let the condition depend on a variable"],
                )
            held = jnp.asarray(held).reshape(())
            return held if limit is None else held & (index < limit)

        count, more, failed = 0, cond(*values), None
        while is_static(more, limit):
            if not more or (limit is not None and count >= limit):
                return _result(values, single, return_same_structure)
            if failed is None and (count == UNROLLED or steps.count >= UNROLLED_IF_NEEDED):
                try:
                    return _result(_compiled(goes_on, step, values, count, most), single, return_same_structure)
                except _NEEDS_NUMBERS as error:
                    failed = error
            if failed is not None:
                steps.check(failed)
            values, count = step(count, values), count + 1
            steps.count += 1
            more = cond(*values)
        return _result(_compiled(goes_on, step, values, count, most), single, return_same_structure)


_NEEDS_NUMBERS = (TenureError, TypeError, IndexError, ValueError)  # what a step says that got a tracer for a number


def _result(values: tuple[Any, ...], single: bool, same: bool) -> Any:
    values = jax.tree.map(lambda x: x.filled() if arrays.is_array(x) else x, values, is_leaf=arrays.is_array)
    return values[0] if single or (len(values) == 1 and not same) else values


@contextlib.contextmanager
def _inside() -> Iterator[None]:
    """Within, a loop is one in another's body."""
    token = _depth.set(_depth.get() + 1)
    try:
        yield
    finally:
        _depth.reset(token)


def _compiled(goes_on: Function, step: Function, values: Any, start: int, most: int) -> Any:
    """The loop as one of the program, with a gradient; its last leaf counts the steps."""
    first = jnp.asarray(start, jnp.int32)
    leaves, tree = jax.tree.flatten(jax.tree.map(jnp.asarray, _settled(step, first, values)))

    def next_leaves(index: Any, *now: jax.Array) -> list[jax.Array]:
        new = jax.tree.leaves(step(index, jax.tree.unflatten(tree, now[:-1])))
        return [*(_as(a, old.dtype) for a, old in zip(new, now[:-1], strict=True)), now[-1] + 1]

    def test(index: Any, *now: jax.Array) -> jax.Array:
        return goes_on(index, jax.tree.unflatten(tree, now[:-1])) & (index < most)

    leaves = [*leaves, first]
    *found, steps = loops.loop(test, next_leaves, first, leaves)
    cut = (steps >= most) & goes_on(steps, jax.tree.unflatten(tree, found))
    return jax.tree.unflatten(tree, [jnp.where(cut, _no_number(x.dtype), x) for x in found])


def _settled(step: Function, first: Any, values: Any) -> Any:
    """The variables with each TensorArray as one array, with the shape of elements that a step writes."""
    rows = [x for x in jax.tree.leaves(values, is_leaf=arrays.is_array) if arrays.is_array(x)]
    for row in rows:
        row.must_not_grow()
    if not rows:
        return values
    after = jax.eval_shape(step, first, values)
    settle = lambda old, new: old.like(new) if arrays.is_array(old) else old  # noqa: E731
    return jax.tree.map(settle, values, tuple(after), is_leaf=arrays.is_array)


def _no_number(dtype: Any) -> np.ndarray:
    """What stands for a value that there is none of."""
    if jnp.issubdtype(dtype, jnp.inexact):
        return np.array(np.nan, dtype)
    return np.array(np.iinfo(dtype).min if jnp.issubdtype(dtype, jnp.integer) else False, dtype)


def _as(value: Any, dtype: Any) -> jax.Array:
    """A Python number in the dtype of its variable; of other kinds JAX says that they differ."""
    array = jnp.asarray(value)
    same_kind = jnp.issubdtype(array.dtype, jnp.floating) == jnp.issubdtype(dtype, jnp.floating)
    return array.astype(dtype) if same_kind else array


def map_fn(fn: Function, elems: Any, dtype: Any = None, name: str | None = None, **unused: Any) -> Any:
    """`fn` of each entry of the first axis, one after the other; known entries stay known where `fn` needs numbers."""
    with random.own_keys() as keys, _unrolled_steps() as steps:
        size = len(jax.tree.leaves(elems)[0])

        def one(pair: Any) -> Any:
            with keys.step(pair[0]):
                return fn(pair[1])

        known = any(is_static(x) for x in jax.tree.leaves(elems))
        try:
            return jax.lax.map(one, (jnp.arange(size), jax.tree.map(jnp.asarray, elems)))
        except _NEEDS_NUMBERS as error:
            if not known or not size:
                raise
            steps.check(error, size)
        steps.count += size
        found = [one((i, jax.tree.map(lambda x: x[i], elems))) for i in range(size)]  # noqa: B023
        return jax.tree.map(lambda *x: jnp.stack(x), *found)


def scan(fn: Function, elems: Any, initializer: Any = None, *unused: Any, reverse: bool = False, **more: Any) -> Any:
    """`fn(result so far, entry)` along the first axis, with all results; the first entry is the start where none is given."""
    first, found = _scanned(fn, elems, initializer, reverse)
    if initializer is not None:
        return found
    parts: Function = (lambda a, b: (b, a[None])) if reverse else (lambda a, b: (a[None], b))
    return jax.tree.map(lambda a, b: jnp.concatenate(parts(a, b)), first, found)


def fold(reverse: bool) -> Function:
    """`tf.foldl` or `tf.foldr`: the last result of `scan`, or the start where there is no entry."""

    def call(fn: Function, elems: Any, initializer: Any = None, *unused: Any, **more: Any) -> Any:
        first, found = _scanned(fn, elems, initializer, reverse)
        return jax.tree.map(lambda x, y: y[0 if reverse else -1] if len(y) else x, first, found)

    return call


def _scanned(fn: Function, elems: Any, initializer: Any, reverse: bool) -> tuple[Any, Any]:
    """The start, and the results for the entries that come after it."""
    elems = jax.tree.map(jnp.asarray, elems)
    start = initializer
    if start is None:
        at = -1 if reverse else 0
        start = jax.tree.map(lambda x: x[at], elems)
        elems = jax.tree.map(lambda x: x[:-1] if reverse else x[1:], elems)
    size = len(jax.tree.leaves(elems)[0])
    with random.own_keys() as keys:

        def one(before: Any, pair: Any) -> Any:
            with keys.step(pair[0]):
                new = jax.tree.map(lambda a, b: _as(a, b.dtype), fn(before, pair[1]), before)
            return new, new

        first = jax.tree.map(jnp.asarray, start)
        return first, jax.lax.scan(one, first, (jnp.arange(size), elems), reverse=reverse)[1]


def case(
    pred_fn_pairs: Any, default: Function | None = None, exclusive: bool = False, strict: bool = False, name: Any = None
) -> Any:
    """The result of the first function whose condition holds, or else of `default`, or of the last one."""
    pairs = list(pred_fn_pairs.items() if isinstance(pred_fn_pairs, dict) else pred_fn_pairs)
    last = default if default is not None else pairs.pop()[1]
    for pred, function in reversed(pairs):
        last = functools.partial(cond, pred, function, last)
    return last()


def custom_gradient(function: Function) -> Function:
    """A function that gives its result and what makes gradients of its arguments from that of its result."""

    @jax.custom_vjp
    def call(*args: Any) -> Any:
        return function(*args)[0]

    def forward(*args: Any) -> Any:
        return function(*args)[0], args

    def backward(args: Any, given: Any) -> Any:
        result, gradient = function(*args)
        found = gradient(*given) if isinstance(result, (list, tuple)) else gradient(given)
        found = tuple(found) if isinstance(found, (list, tuple)) else (found,)
        return tuple(jnp.zeros_like(x) if g is None else g for x, g in zip(args, found, strict=True))

    call.defvjp(forward, backward)
    return lambda *args: call(*map(jnp.asarray, args))


class Context:
    """What a `with` statement of TensorFlow enters: a device, a name scope. Nothing happens."""

    __expression_names__ = frozenset({"name"})
    name = ""

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *error: object) -> None:
        """Leaves errors alone."""


def _scope(*args: Any, **keywords: Any) -> Context:
    return Context()


def nothing(*args: Any, **keywords: Any) -> None:
    """Assertions and side effects of TensorFlow 1 have no place in a pure function."""


def table() -> dict[str, Function]:
    """All of them by TensorFlow's name."""
    scopes = ("device", "control_dependencies", "name_scope", "variable_scope", "colocate_with")
    silent: tuple[str, ...] = (
        "Assert",
        "assert_equal",
        "assert_greater",
        "assert_less",
        "assert_rank",
        "group",
        "no_op",
    )
    silent += (
        "assert_greater_equal",
        "assert_less_equal",
        "assert_non_negative",
        "assert_positive",
        "add_check_numerics_ops",
    )
    return {
        "cond": cond,
        "while_loop": while_loop,
        "scan": scan,
        "foldl": fold(False),
        "foldr": fold(True),
        "case": case,
        "custom_gradient": custom_gradient,
        "map_fn": map_fn,
        "TensorArray": arrays.TensorArray,
        **dict.fromkeys(scopes, _scope),
        **dict.fromkeys(silent, nothing),
    }
