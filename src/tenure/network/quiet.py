"""What is no number stays in the padding where a layer makes it: neither values nor gradients carry it on.

A layer computes padding like everything else, and may make NaN of it: `log` of zero, one number over another. Nothing that
counts reads it. Its gradient is zero times infinity all the same, which is NaN, and reaches every parameter before. So what
goes into a layer that may do so passes no gradient on from padding, and what comes out has zeros there in place of NaN.
Within one layer nothing is done: an expression that multiplies NaN of padding with a parameter of its own gives that NaN.
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tenure.network import ops, sizes
from tenure.network.graph import Graph, Node
from tenure.network.output import Output
from tenure.network.tensor import Tensor
from tenure.network.typing import Layer

#: Classes that make numbers of numbers, and finite gradients of finite ones.
_CLASSES = """batch_norm cast concat constant conv copy cumsum dot dropout elemwise_prod expand_dims gather generic_attention
    layer_norm linear merge_dims pad pool rec reduce reinterpret_data repeat rnn_cell self_attention shift_axis slice slice_nd
    softmax source split split_dims squeeze stack swap_axes switch tile transpose transposed_conv window"""
_ACTIVATIONS = """elu gelu identity leaky_relu linear log_sigmoid log_softmax none None relu relu6 selu sigmoid silu softmax softplus softsign
    swish tanh"""
TAME, TAME_ACTIVATIONS = (frozenset(names.split()) for names in (_CLASSES, _ACTIVATIONS))
_TAKES_PADDING = ("masked_time", "use_time_mask")


class _Facts(NamedTuple):
    """What is asked of each graph many times.

    Attributes:
      tame: the layers that make numbers of numbers.
      before_others: the layers whose output goes into a layer that may make NaN.
      takes_padding: whether a layer of it is asked to take padding in.
    """

    tame: frozenset[str]
    before_others: frozenset[str]
    takes_padding: bool


_facts: weakref.WeakKeyDictionary[Graph, _Facts] = weakref.WeakKeyDictionary()


def _of(graph: Graph) -> _Facts:
    if graph not in _facts:
        nodes = graph.nodes.values()
        tame = frozenset(node.key for node in nodes if _is_tame(node))
        before = frozenset(key for node in nodes if node.key not in tame for key in node.deps)
        _facts[graph] = _Facts(tame, before, any(map(_takes_padding, nodes)))
    return _facts[graph]


def tame_activation(activation: object) -> bool:
    """Whether an activation function has numbers, and finite derivatives, everywhere.

    >>> tame_activation("relu"), tame_activation("log")
    (True, False)
    """
    return not activation or (isinstance(activation, str) and activation in TAME_ACTIVATIONS)


def _is_tame(node: Node) -> bool:
    if node.class_name not in TAME or node.inner_level is not None or node.branches:
        return False
    return tame_activation(node.get("activation"))


def counts(x: Tensor) -> jax.Array | None:
    """Which entries of `x` are no padding, as an array that broadcasts to it; None if all are, or none is told."""
    keep = None
    for dim in x.dims:
        lengths = sizes.current().lengths(dim) if dim.is_dynamic else None
        if lengths is not None and all(x.has(d) for d in lengths.dims):
            mask = ops.mask(dim, x.dims)
            keep = mask if keep is None or mask is None else keep & mask
    return keep


def without_gradient(x: Tensor) -> Tensor:
    """`x`, which passes no gradient on from its padding, not even NaN."""
    keep = counts(x) if jnp.issubdtype(x.dtype, jnp.inexact) else None
    return x if keep is None else x.like(jnp.where(keep, x.data, jax.lax.stop_gradient(x.data)))


def _numbers(x: Tensor) -> Tensor:
    """`x` with zeros in place of what is no number in its padding."""
    keep = counts(x) if jnp.issubdtype(x.dtype, jnp.inexact) else None
    return x if keep is None else x.like(jnp.where(keep | jnp.isfinite(x.data), x.data, 0))


def leaves_padding_out(layer: Layer) -> bool:
    """Whether nothing that counts depends on padding: neither is that asked for as a whole, nor by an option of a layer."""
    if layer.takes_padding_in:
        return False
    run: Any = layer.run
    while run is not None:
        if _of(run.graph).takes_padding:
            return False
        run = run.outer
    return True


def _takes_padding(node: Node) -> bool:
    """Whether a layer, or the batch norm of its output, is asked to take padding in."""
    norm = node.get("batch_norm")
    options = (node.options, norm if isinstance(norm, Mapping) else {})
    return any(given.get(option) is False for given in options for option in _TAKES_PADDING)


def quiet(layer: Layer, out: Output) -> Output:
    """A layer's output, where it may have NaN in its padding, or where a layer that reads it may give NaN back."""
    node, facts = layer.node, _of(layer.run.graph)
    makes, passes = node.key not in facts.tame and not _is_tame(node), node.key in facts.before_others
    return _quiet(out, makes, passes) if (makes or passes) and leaves_padding_out(layer) else out


def _quiet(out: Output, makes: bool, passes: bool) -> Output:
    x = _numbers(out.tensor) if makes else out.tensor
    x = without_gradient(x) if passes else x
    subs = {name: _quiet(sub, makes, passes) for name, sub in out.subs.items()}
    return out if x is out.tensor and subs == out.subs else dataclasses.replace(out, tensor=x, subs=subs)


__all__ = ["counts", "leaves_padding_out", "quiet", "tame_activation", "without_gradient"]
