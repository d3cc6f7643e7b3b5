"""JAX's transformations inside a transformed function: parameters are closed over, state and keys are threaded.

A parameter that is used inside a loop or a `vmap` is the outer value, closed over: JAX broadcasts it. What the body
writes (state; in front ends where the first request makes a parameter, parameters) comes out as a further result. Only
what changed travels, so a wrapper's cost does not grow with the model. While planning, a body runs once, whatever the loop.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from tenure.core.errors import Party, StateError
from tenure.core.run.frame import Entry, Frame, current_frame, stand_ins
from tenure.core.sites import call_site

F = TypeVar("F", bound=Callable[..., Any])


def _pure(frame: Frame, fun: Callable[..., Any], construct: str = "", keeps_names: bool = False) -> Callable[..., Any]:
    """`fun` with what it wrote as a second result; the same names each time that JAX runs it.

    Args:
      frame: the run.
      fun: the function, which may build and call modules.
      construct: the loop of which it is the step, or the choice of which it is a branch: its second result is then what is
        carried on. "" if it is neither.
      keeps_names: see `Frame.branch`.
    """
    snapshot = frame.snapshot()

    @functools.wraps(fun)  # JAX's errors name the line of what it wraps
    def pure(entries: Mapping[Entry, Any], args: Any, kwargs: Any = {}, index: Any = None) -> Any:
        with frame.branch(snapshot, entries, index, carries=bool(construct), keeps_names=keeps_names) as writes:
            out = fun(*args, **kwargs)
        return out, frame.next_carry(entries, writes, construct) if construct else writes

    return pure


def _shapes(frame: Frame, fun: Callable[..., Any], *args: Any) -> Any:
    """The shapes of the result of `fun`, run abstractly."""
    return jax.eval_shape(lambda *args: _pure(frame, fun)({}, args)[0], *args)


def _run(frame: Frame, fun: Callable[..., Any], args: Any, index: Any = None) -> Any:
    """The result of `fun`, run here and now; what it writes counts, and the names that it takes are free again."""
    scope, counters, used, _ = frame.snapshot()
    out, writes = _pure(frame, fun)(frame.handed_in(), args, index=index)
    frame.merge(writes)
    scope.counters, scope.used = counters, used
    return out


def _lifted(name: str, jax_transform: Callable[..., Any], options: dict[str, Any], fun: Any) -> Any:
    """`fun` under a transformation whose result is the function's own: jit, remat. Without `fun`, the decorator.

    Args:
      name: of the transformation in `tenure`.
      jax_transform: JAX's.
      options: of JAX's.
      fun: the function, or None.
    """
    if fun is None:
        return functools.partial(_lifted, name, jax_transform, options)

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        frame = current_frame(f"tn.{name}")
        body = _pure(frame, fun, keeps_names=True)

        def pure(entries: Any, *args: Any, **kwargs: Any) -> Any:  # another function at each call, which JAX traces
            return body(entries, args, kwargs)

        out, writes = jax_transform(pure, **_shifted(options))(frame.handed_in(), *args, **kwargs)
        frame.merge(writes)
        return out

    return wrapped


def _shifted(options: dict[str, Any]) -> dict[str, Any]:
    """Options that count arguments, where there is one more in front."""
    found = dict(options)
    for option in ("static_argnums", "donate_argnums"):
        if found.get(option) is not None:
            given = found[option]
            several = tuple(given) if isinstance(given, Sequence) else (given,)
            found[option] = tuple(n + 1 if n >= 0 else n for n in several)
    return found


def jit(fun: F | None = None, **options: Any) -> Any:
    """As `jax.jit`, inside of a transformed function. Traced anew at each call of the model.

    Args:
      fun: a function of arrays, which may build and call modules; without it, what is returned takes it.
      **options: further arguments of `jax.jit`.

    Returns:
      What `fun` returns, for its arguments.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.jit(lambda x: 2 * x)(x)).apply({}, None, jnp.ones(2))
    Array([2., 2.], dtype=float32)
    """
    return _lifted("jit", jax.jit, options, fun)


def remat(fun: F | None = None, **options: Any) -> Any:
    """As `jax.checkpoint`, inside of a transformed function: recomputes `fun` in the backward pass to save memory.

    Args:
      fun: a function of arrays, which may build and call modules; without it, what is returned takes it.
      **options: further arguments of `jax.checkpoint`.

    Returns:
      A function with the results and gradients of `fun`.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.remat(lambda x: 2 * x)(x)).apply({}, None, jnp.ones(2))
    Array([2., 2.], dtype=float32)
    """
    return _lifted("remat", jax.checkpoint, options, fun)


def value_and_grad(
    fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, **options: Any
) -> Callable[..., Any]:
    """As `jax.value_and_grad`, inside of a transformed function: differentiates by the arguments, not by parameters.

    Args:
      fun: a function of arrays.
      argnums: by which arguments, counted from 0.
      has_aux: whether `fun` returns a pair whose second part is only handed on.
      **options: further arguments of `jax.value_and_grad`.

    Returns:
      A function of the same arguments: (what `fun` returns, the gradients of the shape of the arguments).

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.value_and_grad(lambda x: (x**2).sum())(x)).apply({}, None, jnp.ones(2))
    (Array(2., dtype=float32), Array([2., 2.], dtype=float32))
    """

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        frame = current_frame("tn.value_and_grad")
        pure, entries = _pure(frame, fun), frame.handed_in()

        @functools.wraps(fun)
        def with_aux(*args: Any, **kwargs: Any) -> Any:
            out, writes = pure(entries, args, kwargs)
            value, aux = out if has_aux else (out, None)
            return value, (aux, writes)

        (value, (aux, writes)), grads = jax.value_and_grad(with_aux, argnums, has_aux=True, **options)(*args, **kwargs)
        frame.merge(writes)
        return ((value, aux) if has_aux else value), grads

    return wrapped


def grad(
    fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, **options: Any
) -> Callable[..., Any]:
    """As `jax.grad`, inside of a transformed function: differentiates by the arguments, not by parameters.

    Args:
      fun: a function of arrays.
      argnums: by which arguments, counted from 0.
      has_aux: whether `fun` returns a pair whose second part is only handed on.
      **options: further arguments of `jax.grad`.

    Returns:
      A function of the same arguments: the gradients, and with `has_aux` (gradients, what was handed on).

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
      fun: a function of arrays, which may build and call modules.
      in_axes, out_axes, axis_name, axis_size: as for `jax.vmap`.
      split_rng: whether each lane draws random keys of its own.
      **options: further arguments of `jax.vmap`.

    Returns:
      A function of arrays with the axes of the lanes.

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
        index = functools.partial(jax.lax.axis_index, name) if split_rng else None
        entries, own = frame.handed_in(), frame.lane_keys(args, in_axes) if split_rng else {}

        def lane(own: Mapping[Entry, Any], *args: Any) -> Any:
            out, writes = pure({**entries, **own}, args, index=index)
            return out, {entry: value for entry, value in writes.items() if entry not in own}

        body, inputs, axes = functools.partial(lane, {}), args, in_axes
        if own:
            body, inputs = lane, (own, *args)  # type: ignore[assignment]
            axes = (0, *(in_axes if isinstance(in_axes, (tuple, list)) else [in_axes] * len(args)))
        try:
            out, writes = jax.vmap(body, axes, (out_axes, None), name, axis_size, **options)(*inputs)
        except ValueError as e:
            raise _lanes_differ(body, axes, name, axis_size, inputs, axis_name is not None) or e from None
        frame.merge(writes)
        return out

    return wrapped


def _lanes_differ(lane: Any, in_axes: Any, name: Any, axis_size: Any, args: Any, named: bool) -> StateError | None:
    """The error of lanes that leave different states; None if the states are the same in all lanes.

    Args:
      lane: the lane's function: its second result is what it wrote.
      in_axes, name, axis_size, args: as handed to `jax.vmap` and to what it returned.
      named: whether the program gave the axis its name.
    """
    written: list[Entry] = []

    def writes(*args: Any) -> Any:
        found = lane(*args)[1]
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


def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """As `jax.eval_shape`, inside of a transformed function; state that `fun` sets is dropped.

    Args:
      fun: a function of arrays, which may build and call modules.
      *args, **kwargs: its inputs: arrays, or `jax.ShapeDtypeStruct`.

    Returns:
      A tree of `jax.ShapeDtypeStruct`, with the structure of what `fun` returns.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: jnp.zeros(tn.eval_shape(jnp.sum, x).shape)).apply({}, None, jnp.ones(2))
    Array(0., dtype=float32)
    """
    frame = current_frame("tn.eval_shape")
    pure, entries = _pure(frame, fun), frame.handed_in()

    @functools.wraps(fun)
    def of_shapes(args: Any, kwargs: Any) -> Any:
        return pure(entries, args, kwargs)[0]

    return jax.eval_shape(of_shapes, args, kwargs)


def _create(frame: Frame, bodies: Sequence[Callable[..., Any]], *args: Any) -> None:
    """Runs bodies once before their loop, or branches before their choice, where `init` still waits for what they make.

    Their results are dropped: the loop starts from the initial values, whatever it runs first.

    Args:
      frame: the run.
      bodies: in the order in which the program would run them.
      *args: of each of them.
    """
    if not frame.unmade():
        return
    snapshot = scope, counters, used, _ = frame.snapshot()
    for body in bodies:
        _, writes = _pure(frame, body)({}, args)
        made = {e: v for e, v in writes.items() if e[0] in ("params", "initial")}
        frame.merge({**made, **{("state", path): v for (kind, path), v in made.items() if kind == "initial"}})
    scope.counters, scope.used, frame.key_counts = dict(counters), dict(used), dict(snapshot[3])


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

    Returns:
      The last carry, and all y stacked, [length, ...].

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.scan(lambda c, x: (c + x, c), jnp.zeros(()), x)).apply({}, None, jnp.ones(2))
    (Array(2., dtype=float32), Array([0., 1.], dtype=float32))
    """
    frame = current_frame("tn.scan")
    count = jax.tree.leaves(xs)[0].shape[0] if length is None else length
    if frame.abstract:
        one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], jnp.result_type(x)), xs)
        carry, y = _shapes(frame, f, init, one)
        return stand_ins(carry), stand_ins(y, count)
    loop = functools.partial(run, reverse=reverse, unroll=unroll)
    if frame.creating or frame.unmade():
        at = -1 if reverse else 0
        first = jax.tree.map(lambda x: x[at] if count else jnp.zeros(x.shape[1:], x.dtype), xs)
        if frame.creating:
            return _scan_after_first(frame, f, init, first, xs, count, reverse, loop)
        _create(frame, [f], init, first)
    return _scan(frame, f, init, xs, length, loop)


def _scan(frame: Frame, f: Any, init: Any, xs: Any, length: int | None, loop: Callable[..., Any]) -> Any:
    step, entries = _pure(frame, f, "tn.scan"), frame.carried()
    count = jax.tree.leaves(xs)[0].shape[0] if length is None else length  # `length` itself may not be symbolic
    steps = None if frame.keys is None else jnp.arange(count, dtype=jnp.uint32)

    @functools.wraps(f)
    def body(carry: Any, inputs: Any) -> Any:
        (inner, entries), (x, index) = carry, inputs
        (inner, y), entries = step(entries, (inner, x), index=index)
        return (inner, entries), y

    (out, entries), ys = loop(body, (init, entries), (xs, steps), length)
    frame.merge(entries)
    return out, ys


def _scan_after_first(
    frame: Frame, f: Any, init: Any, x: Any, xs: Any, length: int, reverse: bool, loop: Callable[..., Any]
) -> Any:
    """A loop whose first step creates what the others use.

    Args:
      frame: the run.
      f, init, xs, length, reverse: as handed to `scan`.
      x: the first step's entry of `xs`.
      loop: what runs the other steps.
    """
    carry, y = _run(frame, f, (init, x))
    if not length:
        return init, jax.tree.map(lambda y: jnp.zeros((0, *y.shape), y.dtype), y)
    first = jax.tree.map(lambda y: jnp.expand_dims(y, 0), y)
    if length == 1:
        return carry, first
    xs = jax.tree.map(lambda x: x[:-1] if reverse else x[1:], xs)
    carry, ys = _scan(frame, f, carry, xs, length - 1, loop)
    return carry, jax.tree.map(lambda y, ys: jnp.concatenate([ys, y] if reverse else [y, ys]), first, ys)


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """As `jax.lax.map`, inside of a transformed function.

    Args:
      f: of one entry of the first axis.
      xs: a tree of arrays [N, ...].

    Returns:
      The results of `f`, stacked: [N, ...].

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.map(lambda x: x + 1, x)).apply({}, None, jnp.ones(2))
    Array([2., 2.], dtype=float32)
    """
    return scan(lambda _, x: ((), f(x)), (), xs)[1]


def while_loop(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init: Any,
    *,
    run: Callable[..., Any] = jax.lax.while_loop,
) -> Any:
    """As `jax.lax.while_loop`, inside of a transformed function.

    Args:
      cond_fun: whether to go on with a value.
      body_fun: from one value to the next.
      init: the first value, a tree of arrays.
      run: what runs the loop; takes the same arguments.

    Returns:
      The first value with which it does not go on.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.while_loop(lambda v: v.sum() < 9, lambda v: 2 * v, x)).apply({}, None, jnp.ones(2))
    Array([8., 8.], dtype=float32)
    """
    frame = current_frame("tn.while_loop")
    if frame.abstract:
        _shapes(frame, cond_fun, init), _shapes(frame, body_fun, init)
        return init
    _create(frame, [cond_fun, body_fun], init)
    pure, step, entries = _pure(frame, cond_fun), _pure(frame, body_fun, "tn.while_loop"), frame.carried()
    index = None if frame.keys is None else jnp.uint32(0)

    @functools.wraps(cond_fun)
    def test(carry: Any) -> Any:
        inner, entries, index = carry
        out, writes = pure(entries, (inner,), index=index)
        frame.check_test(entries, writes)
        return out

    @functools.wraps(body_fun)
    def body(carry: Any) -> Any:
        inner, entries, index = carry
        return *step(entries, (inner,), index=index), None if index is None else index + 1

    out, entries, _ = run(test, body, (init, entries, index))
    frame.merge(entries)
    return out


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init: Any) -> Any:
    """As `jax.lax.fori_loop`, inside of a transformed function.

    Args:
      lower, upper: the first step and the one after the last.
      body_fun: `value = body_fun(step, value)`.
      init: the first value, a tree of arrays.

    Returns:
      The value after the last step.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.fori_loop(0, 3, lambda i, v: v + i, x)).apply({}, None, jnp.ones(2))
    Array([4., 4.], dtype=float32)
    """
    frame = current_frame("tn.fori_loop")
    if frame.abstract:
        return stand_ins(_shapes(frame, body_fun, jnp.asarray(lower), init))
    if frame.creating:
        init, lower = _run(frame, body_fun, (lower, init)), lower + 1
        if not isinstance(lower - upper, jax.core.Tracer) and lower == upper:
            return init
    _create(frame, [body_fun], jnp.asarray(lower), init)
    step, entries = _pure(frame, body_fun, "tn.fori_loop"), frame.carried()

    @functools.wraps(body_fun)
    def body(i: Any, carry: Any) -> Any:
        inner, entries = carry
        return step(entries, (i, inner), index=i)

    out, entries = jax.lax.fori_loop(lower, upper, body, (init, entries))
    frame.merge(entries)
    return out


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """As `jax.lax.cond`, inside of a transformed function. Both branches are planned.

    Args:
      pred: a truth value, possibly traced.
      true_fun, false_fun: of the operands; their results have the same shapes and dtypes.
      *operands: trees of arrays.

    Returns:
      What the branch that is taken returns.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.cond(x[0] > 0, jnp.sin, jnp.zeros_like, x)).apply({}, None, jnp.ones(2))
    Array([0.84147096, 0.84147096], dtype=float32)
    """
    return _branches("cond", lambda fs, *args: jax.lax.cond(pred, *fs, *args), (true_fun, false_fun), operands)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """As `jax.lax.switch`, inside of a transformed function. All branches are planned.

    Args:
      index: of the branch, possibly traced; beyond the ends, the nearest.
      branches: functions of the operands, whose results have the same shapes and dtypes.
      *operands: trees of arrays.

    Returns:
      What the branch that is taken returns.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.switch(1, [jnp.sin, jnp.zeros_like], x)).apply({}, None, jnp.ones(2))
    Array([0., 0.], dtype=float32)
    """
    return _branches("switch", lambda fs, *args: jax.lax.switch(index, fs, *args), tuple(branches), operands)


def _branches(name: str, select: Callable[..., Any], branches: Sequence[Callable[..., Any]], operands: Any) -> Any:
    frame = current_frame(f"tn.{name}")
    if frame.abstract:
        outs = [_shapes(frame, branch, *operands) for branch in branches]
        return stand_ins(outs[0])
    _create(frame, branches, *operands)

    def full(branch: Callable[..., Any]) -> Callable[..., Any]:
        cell: list[Any] = []

        @functools.wraps(branch)
        def run(entries: Any, *args: Any) -> Any:
            if not cell:  # names go on from the branch before, which JAX has traced by now
                cell.append(_pure(frame, branch, f"tn.{name}"))
            return cell[0](entries, args)

        return run

    out, entries = select([full(b) for b in branches], frame.carried(), *operands)
    frame.merge(entries)
    return out
