"""JAX's transformations inside a transformed function: parameters are closed over, state and keys are threaded.

A parameter that is used inside a loop or a `vmap` is the outer value, closed over: JAX broadcasts it. State that the
body sets comes out as a further result. Only what changed travels, so a wrapper's cost does not grow with the model.
While planning, a body runs once, whatever the loop.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from tenure.core.errors import Party, StateError
from tenure.core.run.frame import Entry, Frame, current_frame
from tenure.core.run.profile import by_profile
from tenure.core.run.state import not_carried
from tenure.core.sites import call_site

F = TypeVar("F", bound=Callable[..., Any])


def _pure(frame: Frame, fun: Callable[..., Any]) -> Callable[..., Any]:
    """`fun` with what it wrote as a second result; the same names each time that JAX runs it."""
    snapshot = frame.snapshot()

    def pure(*args: Any, _entries: Mapping[Entry, Any] = {}, _index: Any = None, **kwargs: Any) -> Any:
        with frame.branch(snapshot, _entries, _index) as writes:
            out = fun(*args, **kwargs)
        return out, writes

    return pure


def _lift(name: str, jax_transform: Callable[..., Any], doc: str) -> Callable[..., Any]:
    """A transformation of functions whose result is the function's own: jit, remat."""

    def transform(fun: F | None = None, **options: Any) -> Any:
        if fun is None:
            return functools.partial(transform, **options)

        @functools.wraps(fun)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            frame = current_frame(f"tn.{name}")
            out, writes = jax_transform(_pure(frame, fun), **options)(*args, **kwargs)
            frame.merge(writes)
            return out

        return wrapped

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = doc
    return by_profile(transform)


jit = _lift(
    "jit",
    jax.jit,
    """As `jax.jit`, inside of a transformed function. Traced anew at each call of the model.

    Args:
      fun: a function of arrays, which may build and call modules; without it, what is returned takes it.
      **options: further arguments of `jax.jit`.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.jit(lambda x: 2 * x)(x)).apply({}, None, jnp.ones(2))
    Array([2., 2.], dtype=float32)
    """,
)
remat = _lift(
    "remat",
    jax.checkpoint,
    """As `jax.checkpoint`, inside of a transformed function: recomputes `fun` in the backward pass to save memory.

    Args:
      fun: a function of arrays, which may build and call modules; without it, what is returned takes it.
      **options: further arguments of `jax.checkpoint`.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.remat(lambda x: 2 * x)(x)).apply({}, None, jnp.ones(2))
    Array([2., 2.], dtype=float32)
    """,
)


@by_profile
def value_and_grad(
    fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, **options: Any
) -> Callable[..., Any]:
    """As `jax.value_and_grad`, inside of a transformed function: differentiates by the arguments, not by parameters.

    Args:
      fun: a function of arrays.
      argnums: by which arguments, counted from 0.
      has_aux: whether `fun` returns a pair whose second part is only handed on.
      **options: further arguments of `jax.value_and_grad`.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.value_and_grad(lambda x: (x**2).sum())(x)).apply({}, None, jnp.ones(2))
    (Array(2., dtype=float32), Array([2., 2.], dtype=float32))
    """

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        frame = current_frame("tn.value_and_grad")
        pure = _pure(frame, fun)

        def with_aux(*args: Any, **kwargs: Any) -> Any:
            out, writes = pure(*args, **kwargs)
            value, aux = out if has_aux else (out, None)
            return value, (aux, writes)

        (value, (aux, writes)), grads = jax.value_and_grad(with_aux, argnums, has_aux=True, **options)(*args, **kwargs)
        frame.merge(writes)
        return ((value, aux) if has_aux else value), grads

    return wrapped


@by_profile
def grad(
    fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, **options: Any
) -> Callable[..., Any]:
    """As `jax.grad`, inside of a transformed function: differentiates by the arguments, not by parameters.

    Args:
      fun: a function of arrays.
      argnums: by which arguments, counted from 0.
      has_aux: whether `fun` returns a pair whose second part is only handed on.
      **options: further arguments of `jax.grad`.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.grad(lambda x: (x**2).sum())(x)).apply({}, None, jnp.ones(2))
    Array([2., 2.], dtype=float32)
    """
    both = value_and_grad(fun, argnums, has_aux, **options)

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        value, grads = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return wrapped


@by_profile
def vmap(
    fun: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: Any = None,
    axis_size: int | None = None,
    *,
    split_rng: bool = True,
    **options: Any,
) -> Callable[..., Any]:
    """As `jax.vmap`, inside of a transformed function. Parameters are shared by all lanes.

    Args:
      split_rng: whether each lane draws random keys of its own.

    Raises:
      StateError: the lanes leave different states; average them first, say with `jax.lax.pmean(x, axis_name)`.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.vmap(lambda x: x + 1)(x)).apply({}, None, jnp.ones(2))
    Array([2., 2.], dtype=float32)
    """

    @functools.wraps(fun)
    def wrapped(*args: Any) -> Any:
        frame = current_frame("tn.vmap")
        pure, name = _pure(frame, fun), axis_name if axis_name is not None else "_tenure_lane"
        lane = functools.partial(jax.lax.axis_index, name) if split_rng else None
        mapped = jax.vmap(lambda *args: pure(*args, _index=lane), in_axes, (out_axes, None), name, axis_size, **options)
        try:
            out, writes = mapped(*args)
        except ValueError as e:
            raise _lanes_differ(pure, in_axes, name, axis_size, args, axis_name is not None) or e from None
        frame.merge(writes)
        return out

    return wrapped


def _lanes_differ(pure: Any, in_axes: Any, name: Any, axis_size: Any, args: Any, named: bool) -> StateError | None:
    """The error of lanes that leave different states; None if the states are the same in all lanes."""
    written: list[Entry] = []

    def writes(*args: Any) -> Any:
        found = pure(*args)[1]
        written[:] = found
        return found

    def one(entry: Entry) -> bool:
        mapped = jax.vmap(lambda *args: writes(*args)[entry], in_axes, None, name, axis_size)
        try:
            jax.eval_shape(mapped, *args)
        except ValueError:
            return True
        return False

    jax.eval_shape(jax.vmap(writes, in_axes, 0, name, axis_size), *args)
    states = [path for kind, path in list(written) if kind == "state" and one((kind, path))]
    if not states:
        return None
    axis = name if named else "lanes"
    others = f", and {len(states) - 1} more" if len(states) > 1 else ""
    return StateError(
        f"the lanes of tn.vmap leave different values of the state '{states[0]}'{others}, of which there is one",
        parties=[Party("state", states[0], "(another value in each lane)"), Party("vmap", "", "", str(call_site()))],
        ways=[
            f"average over the lanes:  nn.BatchNorm(…, cross_replica_axis='{axis}') inside of tn.vmap(…, axis_name='{axis}')",
            f"in a layer of your own:  tn.set_state(name, jax.lax.pmean(value, '{axis}'))",
            "one state for each lane:  tn.transform_with_state the lane's function, and jax.vmap its init and apply",
        ],
    )


@by_profile
def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """As `jax.eval_shape`, inside of a transformed function; state that `fun` sets is dropped.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: jnp.zeros(tn.eval_shape(jnp.sum, x).shape)).apply({}, None, jnp.ones(2))
    Array(0., dtype=float32)
    """
    pure = _pure(current_frame("tn.eval_shape"), fun)

    @functools.wraps(fun)  # JAX's errors name the line of what it wraps
    def of_shapes(args: Any, kwargs: Any) -> Any:
        return pure(*args, **kwargs)[0]

    return jax.eval_shape(of_shapes, args, kwargs)


def _create(frame: Frame, bodies: Sequence[Callable[..., Any]], *args: Any) -> None:
    """Runs bodies once before their loop, or branches before their choice, where `init` still waits for what they make.

    Their results are dropped: the loop starts from the initial values, whatever it runs first.
    """
    if not frame.unmade():
        return
    snapshot = scope, counters, used, _ = frame.snapshot()
    for body in bodies:
        _, writes = _pure(frame, body)(*args)
        made = {e: v for e, v in writes.items() if e[0] in ("params", "initial")}
        frame.merge({**made, **{("state", path): v for (kind, path), v in made.items() if kind == "initial"}})
    scope.counters, scope.used, frame.key_counts = dict(counters), dict(used), dict(snapshot[3])


def _first(xs: Any, reverse: bool = False) -> Any:
    """What the first step of a loop over `xs` sees; zeros if there is none."""

    def pick(x: Any) -> Any:
        return x[-1 if reverse else 0] if x.shape[0] else jnp.zeros(x.shape[1:], x.dtype)

    return jax.tree.map(pick, xs)


def _carried(frame: Frame) -> dict[Entry, Any]:
    """What a loop carries: all state, as it is now."""
    return {e: v for e, v in frame.visible().items() if e[0] == "state"}


def _next_carry(carried: Mapping[Entry, Any], writes: Mapping[Entry, Any], construct: str) -> dict[Entry, Any]:
    for entry in writes:
        if entry not in carried:
            raise not_carried(entry[1], construct)
    return {**carried, **writes}


@by_profile
def scan(
    f: Callable[..., Any],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    *,
    run: Callable[..., Any] = jax.lax.scan,
) -> Any:
    """As `jax.lax.scan`, inside of a transformed function. What was owned outside is broadcast, never stacked.

    Args:
      f: `carry, y = f(carry, x)`.
      init: the first carry, a tree of arrays.
      xs: a tree of arrays [length, ...], or None.
      length: the number of steps, where `xs` does not tell.
      reverse: whether to go from the last step to the first.
      unroll: how many steps are in one pass of the loop.
      run: what runs the loop; takes the same arguments.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.scan(lambda c, x: (c + x, c), jnp.zeros(()), x)).apply({}, None, jnp.ones(2))
    (Array(2., dtype=float32), Array([0., 1.], dtype=float32))
    """
    frame = current_frame("tn.scan")
    if frame.planning:
        return _plan_scan(frame, f, init, xs, _length(xs, length))
    _create(frame, [f], init, _first(xs, reverse))
    return _scan(frame, f, init, xs, length, functools.partial(run, reverse=reverse, unroll=unroll))


def _length(xs: Any, length: int | None) -> Any:
    return jax.tree.leaves(xs)[0].shape[0] if length is None else length


def _plan_scan(frame: Frame, f: Callable[..., Any], init: Any, xs: Any, length: int) -> Any:
    pure = _pure(frame, f)
    step = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], jnp.result_type(x)), xs)
    (carry, y), _ = jax.eval_shape(lambda c, x: pure(c, x), init, step)
    return _empty(carry), jax.tree.map(lambda a: jax.lax.empty((length, *a.shape), a.dtype), y)


def _empty(tree: Any) -> Any:
    return jax.tree.map(lambda a: jax.lax.empty(a.shape, a.dtype), tree)


def _scan(frame: Frame, f: Any, init: Any, xs: Any, length: int | None, run: Callable[..., Any]) -> Any:
    pure, carried = _pure(frame, f), _carried(frame)
    steps = None if frame.keys is None else jnp.arange(_length(xs, length), dtype=jnp.uint32)

    def body(carry: Any, inputs: Any) -> Any:
        (inner, entries), (x, step) = carry, inputs
        (inner, y), writes = pure(inner, x, _entries=entries, _index=step)
        return (inner, _next_carry(entries, writes, "tn.scan")), y

    (out, entries), ys = run(body, (init, carried), (xs, steps), length)
    frame.merge(entries)
    return out, ys


@by_profile
def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """As `jax.lax.map`, inside of a transformed function.

    Args:
      f: of one entry of the first axis.
      xs: a tree of arrays [N, ...].

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.map(lambda x: x + 1, x)).apply({}, None, jnp.ones(2))
    Array([2., 2.], dtype=float32)
    """
    return scan(lambda _, x: ((), f(x)), (), xs)[1]


@by_profile
def while_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init: Any) -> Any:
    """As `jax.lax.while_loop`, inside of a transformed function.

    Args:
      cond_fun: whether to go on with a value.
      body_fun: from one value to the next.
      init: the first value, a tree of arrays.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.while_loop(lambda v: v.sum() < 9, lambda v: 2 * v, x)).apply({}, None, jnp.ones(2))
    Array([8., 8.], dtype=float32)
    """
    frame = current_frame("tn.while_loop")
    if frame.planning:
        jax.eval_shape(_pure(frame, cond_fun), init)
        jax.eval_shape(_pure(frame, body_fun), init)
        return init
    _create(frame, [cond_fun, body_fun], init)
    test, step_fun, carried = _pure(frame, cond_fun), _pure(frame, body_fun), _carried(frame)
    count = None if frame.keys is None else jnp.uint32(0)

    def cond(carry: Any) -> Any:
        inner, entries, step = carry
        return test(inner, _entries=entries, _index=step)[0]

    def body(carry: Any) -> Any:
        inner, entries, step = carry
        out, writes = step_fun(inner, _entries=entries, _index=step)
        return out, _next_carry(entries, writes, "tn.while_loop"), None if step is None else step + 1

    out, entries, _ = jax.lax.while_loop(cond, body, (init, carried, count))
    frame.merge(entries)
    return out


@by_profile
def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init: Any) -> Any:
    """As `jax.lax.fori_loop`, inside of a transformed function.

    Args:
      lower, upper: the first step and the one after the last.
      body_fun: `value = body_fun(step, value)`.
      init: the first value, a tree of arrays.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.fori_loop(0, 3, lambda i, v: v + i, x)).apply({}, None, jnp.ones(2))
    Array([4., 4.], dtype=float32)
    """
    frame = current_frame("tn.fori_loop")
    if frame.planning:
        pure = _pure(frame, body_fun)
        return _empty(jax.eval_shape(lambda v: pure(jnp.asarray(lower), v)[0], init))
    _create(frame, [body_fun], jnp.asarray(lower), init)
    pure, carried = _pure(frame, body_fun), _carried(frame)

    def body(i: Any, carry: Any) -> Any:
        inner, entries = carry
        out, writes = pure(i, inner, _entries=entries, _index=i)
        return out, _next_carry(entries, writes, "tn.fori_loop")

    out, entries = jax.lax.fori_loop(lower, upper, body, (init, carried))
    frame.merge(entries)
    return out


@by_profile
def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """As `jax.lax.cond`, inside of a transformed function. Both branches are planned.

    Args:
      pred: a truth value, possibly traced.
      true_fun, false_fun: of the operands; their results have the same shapes and dtypes.
      *operands: trees of arrays.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.cond(x[0] > 0, jnp.sin, jnp.zeros_like, x)).apply({}, None, jnp.ones(2))
    Array([0.84147096, 0.84147096], dtype=float32)
    """
    return _branches("cond", lambda fs, *args: jax.lax.cond(pred, *fs, *args), (true_fun, false_fun), operands)


@by_profile
def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """As `jax.lax.switch`, inside of a transformed function. All branches are planned.

    Args:
      index: of the branch, possibly traced; beyond the ends, the nearest.
      branches: functions of the operands, whose results have the same shapes and dtypes.
      *operands: trees of arrays.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.switch(1, [jnp.sin, jnp.zeros_like], x)).apply({}, None, jnp.ones(2))
    Array([0., 0.], dtype=float32)
    """
    return _branches("switch", lambda fs, *args: jax.lax.switch(index, fs, *args), tuple(branches), operands)


def _branches(name: str, select: Callable[..., Any], branches: Sequence[Callable[..., Any]], operands: Any) -> Any:
    frame = current_frame(f"tn.{name}")
    if frame.planning:
        outs = [jax.eval_shape(lambda a, f=_pure(frame, branch): f(*a)[0], operands) for branch in branches]
        return _empty(outs[0])
    _create(frame, branches, *operands)
    carried = _carried(frame)

    def full(branch: Callable[..., Any]) -> Callable[..., Any]:
        cell: list[Any] = []

        def run(entries: Any, *args: Any) -> Any:
            if not cell:  # names go on from the branch before, which JAX has traced by now
                cell.append(_pure(frame, branch))
            out, writes = cell[0](*args, _entries=entries)
            return out, _next_carry(entries, writes, f"tn.{name}")

        return run

    out, entries = select([full(b) for b in branches], carried, *operands)
    frame.merge(entries)
    return out
