"""Classes that dictionaries may name and that are refused, with what to write instead.

RETURNN's own back end refuses each of them on every input (on TensorFlow 2, or without a package that was never
published), so there is nothing that a version of ours could be checked against.
"""

from __future__ import annotations

from typing import Any

from tenure.network.errors import LayerClassError
from tenure.network.former_classes import FORMER
from tenure.network.graph import Graph, Node
from tenure.network.layer import Layer, layer

_ROTTEN = "RETURNN's own back end cannot compute it since TensorFlow 2"
_UNPUBLISHED = "it needs the package tfSi6Proc, which was never published"
_WINDOW = "{'class': 'window', 'window_size': …}  has all windows of a sequence, in a dim of their own"

REFUSED: dict[str, tuple[str, str]] = {
    "classes_to_length_distribution": (_ROTTEN, _WINDOW),
    "classes_to_length_distribution_global": (_ROTTEN, _WINDOW),
    "classes_to_segments": (_ROTTEN, _WINDOW + "; 'cumsum' over one-hot labels counts them"),
    "fill_unused": (_ROTTEN, "{'class': 'seq_len_mask', 'mask_value': …}"),
    "flatten_time": (_ROTTEN, "{'class': 'merge_dims', 'axes': ['T', 'F']}"),
    "kenlm": (
        "it scores strings with the KenLM library on the host, step by step in a search, which is not built",
        "train the language model as a layer:  {'class': 'subnetwork', 'load_on_init': …}",
    ),
    "mask_based_gevbeamforming": (_UNPUBLISHED, "compute the beamformer before the network, in the data pipeline"),
    "mask_based_mvdrbeamforming": (_UNPUBLISHED, "compute the beamformer before the network, in the data pipeline"),
    "parametric_wiener_filter": (_UNPUBLISHED, "{'class': 'eval', 'eval': …}  with the filter's equation"),
    "segment_alignment": (_ROTTEN, _WINDOW),
    "segment_input": (_ROTTEN, _WINDOW),
    "swap_time_feature": (_ROTTEN, "{'class': 'swap_axes', 'axis1': 'T', 'axis2': 'F'}"),
    "unsegment_input": (_ROTTEN, "{'class': 'fold', …}  puts windows together again"),
}

REFUSED |= {name: ("no RETURNN of today has it", way) for name, way in FORMER.items()}


@layer(*REFUSED)
class Refused(Layer):
    """A class that is refused when the graph is built."""

    refused = True

    @classmethod
    def expand(cls, graph: Graph, node: Node) -> None:
        why, way = REFUSED[node.class_name]
        raise LayerClassError(
            f"layer '{node.key}': the class '{node.class_name}' is refused: {why}",
            ways=[way, "register your own:  @tn.network.layer('name')"],
        )

    def forward(self, *args: Any, **options: Any) -> Any:
        raise AssertionError("refused before")
