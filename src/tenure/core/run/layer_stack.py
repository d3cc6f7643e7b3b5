"""The layer stack: one compiled body for N layers. What the body owns is stacked; what it uses from outside is not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.errors import LayerStackError, Party, brief
from tenure.core.run import naming
from tenure.core.run.frame import Entry, Frame, StackSlice, current_frame, stand_ins
from tenure.core.run.profile import by_profile
from tenure.core.sites import call_site
from tenure.core.slots.slot import whole_number


@by_profile
def layer_stack(
    num_layers: int,
    with_per_layer_inputs: bool = False,
    unroll: int | bool = 1,
    pass_reverse_to_layer_fn: bool = False,
    name: str | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Runs a layer function `num_layers` times as one scan: tracing and compiling do not grow with the depth.

    Every parameter and state that is owned inside has a leading axis of size `num_layers`. A parameter owned outside is
    one value for all layers. From outside, one layer of a stacked owner is borrowed as `'stack/linear/w | index(3)'`.

    Args:
      num_layers: how often the layer is applied.
      with_per_layer_inputs: the function also takes one slice of each further input, and returns (x, y); the y are
        stacked.
      unroll: how many layers are in one step of the loop.
      pass_reverse_to_layer_fn: the function also takes the keyword `reverse`.
      name: the scope around the stacked parameters; "layer_stack" if None.

    Returns:
      A decorator for `f(x)`, or `f(x, *inputs) -> (x, y)`. The decorated function also takes `reverse=True`.

    Raises:
      LayerStackError: `num_layers` is no number of layers, or a layer gives what the next one cannot take.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> from tenure import nn
    >>> model = tn.transform(lambda x: tn.layer_stack(3)(lambda x: nn.Linear(4)(x))(x))
    >>> model.init(jax.random.key(0), jnp.ones((2, 4)))["layer_stack/linear"]["w"].shape
    (3, 4, 4)
    """

    num_layers = _as_count(num_layers)

    def run(layer: Callable[..., Any], x: Any, xs: Any, reverse: bool, options: Any) -> Any:
        with naming.name_scope(name or "layer_stack"):
            return _run(functools.partial(layer, **options), x, xs, num_layers, reverse, unroll)

    return stacked_by(run, num_layers, with_per_layer_inputs, pass_reverse_to_layer_fn)


def stacked_by(
    run: Any, num_layers: int, with_per_layer_inputs: bool, pass_reverse_to_layer_fn: bool
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator of layers, which `run(layer, x, inputs, reverse, options of layer)` applies one after the other.

    Args:
      run: see above.
      num_layers: how many layers there are.
      with_per_layer_inputs: whether further arguments have a leading axis of layers.
      pass_reverse_to_layer_fn: whether the layer takes `reverse`.

    Raises:
      LayerStackError: (the decorated function) an input lacks the axis of layers.
    """

    def decorate(fun: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fun)
        def stacked(*args: Any, reverse: bool = False) -> Any:
            options = {"reverse": reverse} if pass_reverse_to_layer_fn else {}
            x, xs = (args[0], args[1:]) if with_per_layer_inputs else (args, ())
            for leaf in jax.tree.leaves(xs):
                if jnp.shape(leaf)[:1] != (num_layers,):
                    raise _no_stack(f"a per-layer input needs a leading axis of {num_layers}, not {jnp.shape(leaf)}")

            def layer(x: Any, inputs: Any, **options: Any) -> Any:
                if with_per_layer_inputs:
                    return _as_pair(fun(x, *inputs, **options))
                out = fun(*x, **options)
                return (out,) if len(x) == 1 else out, None

            x, ys = run(layer, x, xs, reverse, options)
            return (x, ys) if with_per_layer_inputs else x[0] if len(args) == 1 else x

        return stacked

    return decorate


def _as_count(num_layers: Any) -> int:
    try:
        count = whole_number(num_layers)
    except TypeError:
        count = -1
    if count < 0:
        raise _no_stack(
            f"tn.layer_stack takes a number of layers, not {brief(num_layers)}", "tn.layer_stack(12)(layer)(x)"
        )
    return count


def _as_pair(out: Any) -> Any:
    if not isinstance(out, tuple) or len(out) != 2:
        raise _no_stack(
            f"a layer with inputs of its own returns a pair (x, y), not {_shown(out)}", "return x, y", "return x, None"
        )
    return out


def _check_same(x: Any, out: Any) -> None:
    """Raises unless a layer gives what it takes, so that the next one can go on."""
    types = [[(jnp.shape(a), jnp.result_type(a)) for a in jax.tree.leaves(tree)] for tree in (x, out)]
    if jax.tree.structure(x) != jax.tree.structure(out) or types[0] != types[1]:  # type: ignore[operator]
        if isinstance(x, tuple) and len(x) == 1:
            x, out = x[0], out[0] if isinstance(out, tuple) and len(out) == 1 else out
        raise _no_stack(
            f"the next layer takes what this one gives, but it takes {_shown(x)} and gives {_shown(out)}",
            "give what the layer takes: nn.Linear(x.shape[-1]), x.astype(dtype)",
            "build what changes the shape before the stack, or after it",
        )


def _shown(tree: Any) -> str:
    """Arrays as `float32[2,4]`, in the structure that they come in."""
    if tree is None:
        return "None"
    shapes = jax.tree.map(lambda a: f"{jnp.result_type(a)}[{','.join(map(str, jnp.shape(a)))}]", tree)
    return shapes if isinstance(shapes, str) else f"a {type(tree).__name__} " + brief(shapes, 120).replace("'", "")


def _no_stack(rule: str, *ways: str) -> LayerStackError:
    return LayerStackError(rule, parties=[Party("stack", "tn.layer_stack", "", str(call_site()))], ways=ways)


def _run(layer: Callable[..., Any], x: Any, xs: Any, size: int, reverse: bool, unroll: int | bool) -> Any:
    frame = current_frame("tn.layer_stack")
    prefix, snapshot = frame.scope.path, frame.snapshot()

    def step(stack_slice: StackSlice, entries: Any, x: Any, inputs: Any, index: Any) -> Any:
        with frame.branch(snapshot, entries, index, stack_slice) as writes:
            out, y = layer(x, inputs)
        _check_same(x, out)
        return (out, y), writes

    if frame.planning:
        one = jax.tree.map(lambda a: jax.ShapeDtypeStruct(jnp.shape(a)[1:], jnp.result_type(a)), xs)
        stack_slice = StackSlice(prefix, size)
        (x, y), _ = jax.eval_shape(lambda x, i: step(stack_slice, {}, x, i, None), x, one)
        return stand_ins(x), stand_ins(y, size)
    if frame.unmade(prefix + "/"):
        return _create(frame, step, prefix, x, xs, size, reverse)
    params = frame.stacked_params(prefix)
    state = frame.carried()
    inside = {e: v for e, v in state.items() if e[1].startswith(prefix + "/")}
    outside = {e: v for e, v in state.items() if e not in inside}
    steps = None if frame.keys is None else jnp.arange(size, dtype=jnp.uint32)

    def body(carry: Any, per_layer: Any) -> Any:
        (x, entries), (params, mine, inputs, index) = carry, per_layer
        (x, y), writes = step(StackSlice(prefix, size, params), {**entries, **mine}, x, inputs, index)
        now = frame.next_carry({**entries, **mine}, writes, "tn.layer_stack")
        return (x, {e: now[e] for e in entries}), (y, {e: now[e] for e in mine})

    (x, outside), (ys, inside) = jax.lax.scan(
        body, (x, outside), (params, inside, xs, steps), size, reverse=reverse, unroll=unroll
    )
    frame.merge({**outside, **inside})
    return x, ys


def _create(frame: Frame, step: Any, prefix: str, x: Any, xs: Any, size: int, reverse: bool) -> Any:
    """One layer after the other, where init must make what only the forward pass can.

    Args:
      frame: the run.
      step: the layer that runs, as in `_run`.
      prefix, size: of the stack.
      x: what the first layer takes.
      xs: the inputs of each layer, stacked.
      reverse: whether the last layer runs first.
    """
    params, made, outs = frame.stacked_params(prefix), [], []
    inside = {e: v for e, v in frame.visible().items() if e[1].startswith(prefix + "/")}
    for i in reversed(range(size)) if reverse else range(size):
        pick = functools.partial(jax.tree.map, lambda a, i=i: a[i])
        (x, y), writes = step(StackSlice(prefix, size, pick(params)), pick(inside), x, pick(xs), i)
        made.append({**pick(inside), **writes})
        outs.append(y)
    if reverse:
        made, outs = made[::-1], outs[::-1]
    entries: dict[Entry, Any] = {}
    for entry in made[0]:
        mine = entry[1].startswith(prefix + "/")
        entries[entry] = jax.tree.map(lambda *v: jnp.stack(v), *(m[entry] for m in made)) if mine else made[-1][entry]
    frame.merge(entries)
    return x, jax.tree.map(lambda *v: jnp.stack(v), *outs) if outs and outs[0] is not None else None
