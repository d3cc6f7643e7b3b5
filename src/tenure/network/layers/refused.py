"""Classes that dictionaries may name and that are refused, with what to write instead.

RETURNN's own back end refuses each of them on every input (on TensorFlow 2, or without a package that was never
published), so there is nothing that a version of ours could be checked against.
"""

from __future__ import annotations

from typing import Any

from tenure.network.errors import LayerClassError
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

_REC = "{'class': 'rec', 'unit': 'nativelstm2', 'n_out': …}"
_FORMER: dict[str, str] = {
    "associative_lstm": _REC,
    "fast_lstm": _REC,
    "lstm": _REC,
    "lstm2": _REC,
    "lstm3": _REC,
    "lstmp": _REC,
    "mdlstm": "{'class': 'twod_lstm', …}",
    "optimized_lstm": _REC,
    "peephole_lstm": _REC,
    "recurrent": "{'class': 'rec', 'unit': 'rnncell', 'n_out': …}",
    "rnn": "{'class': 'rec', 'unit': 'rnncell', 'n_out': …}",
    "simple_lstm": _REC,
    "1Dto2D": "{'class': 'split_dims', …}",
    "attention": "{'class': 'dot_attention', …}",
    "attention_reshape": "{'class': 'reinterpret_data', …}",
    "attention_vector": "{'class': 'get_rec_accumulated', …}",
    "base": "'base:x' names a layer around the sub-network",
    "bernoulli": "{'class': 'eval', 'eval': …}  with tf.random.uniform",
    "binop": "{'class': 'combine', 'kind': …}",
    "chunking": "{'class': 'time_chunking', 'chunk_size': …, 'chunk_step': …}",
    "clustering_dependent": "{'class': 'gather', …}",
    "concat_batch": "{'class': 'concat', 'from': [('a', 'B'), ('b', 'B')]}",
    "conv2": "{'class': 'conv', 'filter_size': …}",
    "conv_1d": "{'class': 'conv', 'filter_size': (5,), …}",
    "conv_fmp": "{'class': 'conv', …}  and  {'class': 'pool', …}",
    "cropping": "{'class': 'slice', …}",
    "downsample": "{'class': 'pool', 'mode': 'avg', 'pool_size': (2,), …}",
    "dump": "{'class': 'hdf_dump', 'filename': …}",
    "duplicate_index_batch": "{'class': 'repeat', …}",
    "embedding": "{'class': 'linear', 'activation': None, 'with_bias': False}  of indices",
    "emission": "{'class': 'softmax', …}",
    "input_base": "'base:data'",
    "linear_combi": "{'class': 'weighted_sum', …}",
    "neural_transducer": "{'class': 'rec', 'unit': {…}}",
    "newconv": "{'class': 'conv', 'filter_size': …}",
    "polynomial_expansion": "{'class': 'eval', 'eval': …}",
    "rec_last": "{'class': 'get_last_hidden_state', …}",
    "reverse": "{'class': 'slice', 'axis': 'T', 'slice_step': -1}",
    "sampled_logits": "{'class': 'softmax', 'loss': 'sampling_loss', 'use_transposed_weights': True}",
    "sequence_output": "{'class': 'softmax', 'loss': 'ctc'}",
    "signal": "{'class': 'stft', …}",
    "state_to_act": "{'class': 'get_last_hidden_state', …}",
    "time_blur": "{'class': 'conv', …}",
    "time_concat": "{'class': 'window', 'window_size': …}",
    "truncation": "{'class': 'slice', 'axis': 'T', 'slice_end': …}",
    "upsample": "{'class': 'resize', 'factor': 2, 'axis': 'T'}",
}
REFUSED |= {name: ("no RETURNN of today has it", way) for name, way in _FORMER.items()}


@layer(*REFUSED)
class Refused(Layer):
    """A class that is refused when the graph is built."""

    @classmethod
    def expand(cls, graph: Graph, node: Node) -> None:
        why, way = REFUSED[node.class_name]
        raise LayerClassError(
            f"layer '{node.key}': the class '{node.class_name}' is refused: {why}",
            ways=[way, "register your own:  @tn.network.layer('name')"],
        )

    def forward(self, *args: Any, **options: Any) -> Any:
        raise AssertionError("refused before")
