"""JAX's control flow inside a transformed function, with Haiku's rules: at init a loop's first step runs in Python."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.haiku.engine.frames import HaikuFrame, the_frame
from tenure.haiku.engine.jaxing import Changes, check_inside, merge_changes, new_entries, rng_state, run_body

_MISSING = object()

_INIT_HINT = """hk.cond and hk.switch need the same structure of parameters and state from each branch. If a branch \
creates some, run all branches once while initialising:

    if hk.running_init():
      x = branch_a(x)
      x = branch_b(x)
    else:
      x = hk.cond(pred, branch_a, branch_b, x)
"""


def _fill_keys(frame: HaikuFrame) -> None:
    """Brings the store of keys to its full size, so that loops and branches carry the same number of keys."""
    if frame.rng is not None:
        frame.rng.reserve_up_to_full()


def _carried(frame: HaikuFrame) -> Any:
    """What a loop carries: all state, and the keys."""
    _fill_keys(frame)
    return {m: dict(bundle) for m, bundle in frame.state.items()}, rng_state(frame)


def _step(frame: HaikuFrame, fun: Callable[..., Any], carried: Any, args: Any) -> tuple[Any, Any, Any]:
    """One run of a body with the carried state and keys: its result, its new parameters, what to carry on."""
    state, rng = carried
    before = frame.params
    with frame.body(rng, shares_names=False):
        frame.state = {m: dict(bundle) for m, bundle in state.items()}
        out = fun(*args)
        _fill_keys(frame)
        params = {} if frame.frozen else new_entries(before, frame.params)
        return out, params, ({m: dict(b) for m, b in frame.state.items()}, rng_state(frame))


def _finish(frame: HaikuFrame, carried: Any, params: Any = {}) -> None:
    state, rng = carried
    merge_changes(frame, Changes(params, state, rng))


def _no_new(frame: HaikuFrame, params: Any) -> None:
    names = sorted((m, n) for m, bundle in params.items() for n in bundle if n not in frame.params.get(m, {}))
    if names:
        raise AssertionError(f"New parameters were created: {names}")


def scan(
    f: Callable[..., Any], init: Any, xs: Any, length: int | None = None, reverse: bool = False, unroll: int = 1
) -> Any:
    """As `jax.lax.scan`, for functions that use modules. At init the first step runs in Python, and creates.

    >>> import tenure.haiku as hk
    >>> def sums(xs):
    ...     linear = hk.Linear(1)  # built outside: each step uses the same parameters
    ...     return hk.scan(lambda c, x: (c + linear(x), c), jnp.zeros(1), xs)[0]
    >>> params = hk.transform(sums).init(jax.random.PRNGKey(0), jnp.ones((5, 4)))
    >>> params["linear"]["w"].shape
    (4, 1)
    """
    check_inside("scan", "jax.lax.scan")
    frame = the_frame("scan")
    if length is None:
        length = jax.tree.leaves(xs)[0].shape[0]
    first = None
    if not frame.frozen:
        if not length:
            _, y = f(init, jax.tree.map(lambda x: jnp.zeros(x.shape[1:], x.dtype), xs))
            return init, jax.tree.map(lambda y: jnp.zeros((0, *y.shape), y.dtype), y)
        at = -1 if reverse else 0
        init, first = f(init, jax.tree.map(lambda x: x[at], xs))
        first = jax.tree.map(lambda y: jnp.expand_dims(y, 0), first)
        xs = jax.tree.map(lambda x: x[:-1] if reverse else x[1:], xs)
        length -= 1
        if not length:
            return init, first

    @functools.wraps(f)
    def body(carry: Any, x: Any) -> Any:
        carry, carried = carry
        (carry, y), params, carried = _step(frame, f, carried, (carry, x))
        _no_new(frame, params)
        return (carry, carried), y

    (out, carried), ys = jax.lax.scan(body, (init, _carried(frame)), xs, length, reverse, unroll=unroll)
    _finish(frame, carried)
    if first is not None:
        ys = jax.tree.map(lambda y, ys: jnp.concatenate([ys, y] if reverse else [y, ys]), first, ys)
    return out, ys


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """As `jax.lax.map`, for functions that use modules.

    >>> import tenure.haiku as hk
    >>> f = hk.transform(lambda xs: hk.map(hk.Linear(1), xs))
    >>> params = f.init(jax.random.PRNGKey(0), jnp.ones((5, 4)))
    >>> f.apply(params, None, jnp.ones((5, 4))).shape
    (5, 1)
    """
    return scan(lambda _, x: ((), f(x)), (), xs)[1]


def while_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any) -> Any:
    """As `jax.lax.while_loop`, for functions that use modules; only at apply, since nobody knows whether it runs.

    Raises:
      ValueError: at init; or `cond_fun` sets state or draws keys.
    """
    check_inside("while_loop", "jax.lax.while_loop")
    frame = the_frame("while_loop")
    if not frame.frozen:
        raise ValueError(
            "hk.while_loop does not support initialization (since we cannot statically determine if your loop will run "
            "at least once). Please use `hk.running_init` to run the body unconditionally:\n\n"
            "    if hk.running_init():\n"
            "      val = module(val)  # creates its parameters\n"
            "    else:\n"
            "      val = hk.while_loop(lambda val: val.mean() < 1, module, val)\n"
        )

    @functools.wraps(cond_fun)
    def test(carry: Any) -> Any:
        val, (state, rng) = carry
        before = rng_state(frame), frame.state
        with frame.body(rng, shares_names=False):
            frame.state = {m: dict(bundle) for m, bundle in state.items()}
            entered, drawn = {m: dict(bundle) for m, bundle in frame.state.items()}, rng_state(frame)
            out = cond_fun(val)
            left = rng_state(frame)
            changed = drawn is not None and (left[0] is not drawn[0] or len(left[1]) != len(drawn[1]))
            if changed or new_entries(entered, frame.state):
                raise ValueError(
                    "`hk.while_loop` does not support `hk.set_state`, `hk.next_rng_key` (et al) in `cond_fun`."
                )
        del before
        return out

    @functools.wraps(body_fun)
    def body(carry: Any) -> Any:
        val, carried = carry
        out, _, carried = _step(frame, body_fun, carried, (val,))
        return out, carried

    out, carried = jax.lax.while_loop(test, body, (init_val, _carried(frame)))
    _finish(frame, carried)
    return out


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """As `jax.lax.fori_loop`, for functions that use modules. At init the first step runs in Python, and creates."""
    check_inside("fori_loop", "jax.lax.fori_loop")
    frame = the_frame("fori_loop")
    if not frame.frozen:
        init_val = body_fun(lower, init_val)
        lower += 1
        try:
            if upper - lower == 0:
                return init_val
        except jax.errors.ConcretizationTypeError:
            pass

    @functools.wraps(body_fun)
    def body(i: Any, carry: Any) -> Any:
        val, carried = carry
        out, params, carried = _step(frame, body_fun, carried, (i, val))
        _no_new(frame, params)
        return out, carried

    out, carried = jax.lax.fori_loop(lower, upper, body, (init_val, _carried(frame)))
    _finish(frame, carried)
    return out


def _branches(frame: HaikuFrame, branches: Sequence[Callable[..., Any]], select: Callable[..., Any]) -> Any:
    """Runs one of the branches, chosen by `select(pure branches, state and keys)`."""
    made: dict[Callable[..., Any], Any] = {}

    def pure(branch: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(branch)
        def run(carried: Any, operands: Any) -> Any:
            out, params, carried = _step(frame, branch, carried, operands)
            return out, params, carried

        return made.setdefault(branch, run)

    try:
        out, params, carried = select([pure(b) for b in branches], _carried(frame))
    except TypeError as e:
        if not frame.frozen and ("must have same type structure" in str(e) or "output" in str(e)):
            raise TypeError(f"{e}\n\n{_INIT_HINT}") from e
        raise
    _finish(frame, carried, params)
    return out


def _new_style(pred: Any, true_fun: Any, false_fun: Any, *operands: Any, operand: Any = _MISSING) -> Any: ...


def _old_style(pred: Any, true_operand: Any, true_fun: Any, false_operand: Any, false_fun: Any) -> Any: ...


def _old_arguments(args: Any, kwargs: Any) -> Any:
    """The arguments of the older way to call `cond`, or None if it is not meant."""
    try:
        pred, true_operand, true_fun, false_operand, false_fun = (
            inspect.signature(_old_style).bind(*args, **kwargs).arguments.values()
        )
    except TypeError:
        return None
    if not callable(true_fun) or not callable(false_fun):
        return None
    both = true_operand, false_operand
    return pred, lambda both: true_fun(both[0]), lambda both: false_fun(both[1]), (both,)


@functools.wraps(jax.lax.cond)
def cond(*args: Any, **kwargs: Any) -> Any:
    """As `jax.lax.cond`, for functions that use modules. Both branches must create and set the same.

    Raises:
      TypeError: one branch creates what the other does not.
    """
    check_inside("cond", "jax.cond")
    frame = the_frame("cond")
    bound = _old_arguments(args, kwargs)
    if bound is None:
        given = inspect.signature(_new_style).bind(*args, **kwargs)
        given.apply_defaults()
        pred, true_fun, false_fun, *operands = given.args
        operand = given.kwargs["operand"]
        if operand is not _MISSING:
            if operands:
                raise ValueError(
                    "When the operand keyword argument is used you cannot also pass operands positionally. Got "
                    f"operand={operand} and *operands={tuple(operands)}"
                )
            operands = [operand]
        bound = pred, true_fun, false_fun, tuple(operands)
    pred, true_fun, false_fun, operands = bound

    def select(pure: Any, carried: Any) -> Any:
        return jax.lax.cond(pred, pure[0], pure[1], carried, operands)

    return _branches(frame, (true_fun, false_fun), select)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """As `jax.lax.switch`, for functions that use modules. All branches must create and set the same.

    Raises:
      TypeError: one branch creates what another does not.

    >>> import tenure.haiku as hk
    >>> f = hk.transform(lambda i, x: hk.switch(i, [hk.nets.MLP([1])] * 2, x))
    >>> f.apply(f.init(jax.random.PRNGKey(0), 1, jnp.ones((1, 4))), None, 1, jnp.ones((1, 4))).shape
    (1, 1)
    """
    check_inside("switch", "jax.switch")
    frame = the_frame("switch")
    return _branches(frame, tuple(branches), lambda pure, carried: jax.lax.switch(index, pure, carried, operands))


__all__ = ["cond", "fori_loop", "map", "run_body", "scan", "switch", "while_loop"]
