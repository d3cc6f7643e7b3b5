"""Whether a network needs its sequences apart from each other, as RETURNN decides it: by the classes of layers and losses.

RETURNN marks a class as recurrent if the order of frames matters to it, or may matter. It does not mark all of these: `reduce` over time,
`shift_axis` and `norm` over time are not marked, and are not in the tables here either.
"""

from __future__ import annotations

from collections.abc import Mapping

from tenure.network import axes
from tenure.network.dims import DimError
from tenure.network.tensor import Tensor
from tenure.network.typing import Graph, Node

LAYERS = frozenset(
    [
        "cond",
        "conv",
        "ctc_loss",
        "cum_concat",
        "cumsum",
        "dct",
        "edit_distance",
        "edit_distance_table",
        "eval",
        "fast_bw",
        "first_t_frames_noise_estimator",
        "fold",
        "generic_attention",
        "istft",
        "kenlm",
        "loss",
        "masked_computation",
        "multichannel_multiresolution_stft_layer",
        "multichannel_stft_layer",
        "optimal_completions",
        "pool",
        "positional_encoding",
        "postfix_in_time",
        "prefix_in_time",
        "range_from_length",
        "range_in_axis",
        "rec",
        "relative_positional_encoding",
        "rnn_cell",
        "search_sorted",
        "self_attention",
        "slice_nd",
        "stft",
        "subnetwork",
        "time_chunking",
        "time_unchunking",
        "transposed_conv",
        "twod_lstm",
        "unflatten_nd",
        "unmask",
        "window",
    ]
)
"""Classes of layers that are recurrent, whatever their options are."""

LOSSES = frozenset(["bleu", "ctc", "edit_distance", "expected_loss", "fast_bw", "sprint", "via_layer"])
"""Losses that make their layer recurrent."""

_OURS = "tenure.network.layers."  # the modules of RETURNN's classes; what a user has registered may see anything


def is_recurrent(graph: Graph, forms: Mapping[str, Tensor]) -> bool:
    """Whether a layer of a graph is recurrent.

    Args:
      graph: the layers.
      forms: what their outputs look like, as far as known. Two classes are recurrent by the axis that they work along.
    """
    return any(_is_recurrent(node, forms) for node in graph.nodes.values())


def _is_recurrent(node: Node, forms: Mapping[str, Tensor]) -> bool:
    name = node.class_name
    if name in LAYERS or node.get("loss") in LOSSES or not node.cls.__module__.startswith(_OURS):
        return True
    if name == "combine":
        return node.get("kind") == "eval"
    if name == "softmax_over_spatial":
        return not _is_static(forms.get(node.sources[0]), node.get("axis") or "T")
    if name == "activation" and "softmax" in str(node.get("activation")):
        form = forms.get(node.key)
        return form is None or not form.dims or form.dims[-1].is_dynamic
    return False


def _is_static(form: Tensor | None, axis: object) -> bool:
    """Whether an axis of a layer's output is known to be as long in every sequence."""
    try:
        return form is not None and not form.dims[axes.axis(form, axis)].is_dynamic
    except DimError:
        return False
