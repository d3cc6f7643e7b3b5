#!tenure train
# English to German: Transformer; the decoder is a `rec` layer of self-attention, attention to the encoder, and a feed-forward network. Embeddings of
# both languages and the output layer are one matrix, by a chain of reuse_params.
#
# Data:      python -m examples.configs.prepare translate   (texts of Home Assistant's interface, as in examples/translate: 22,129 pairs)
# Baseline:  copying the source, BLEU 9.2   (python -m examples.configs.baselines translate)
# Threshold: half as much again, BLEU 13.8
# Command:   tenure train examples/configs/translate_transformer.py && tenure search examples/configs/translate_transformer.py
# Score:     BLEU 19.4, chrF 42.3; 5.5 minutes of training on two quiet cores

import json
import os
from pathlib import Path

import tensorflow as tf

folder = os.environ.get("TENURE_CONFIGS") or f"{Path(__file__).resolve().parents[2]}/.cache/configs"
folder = f"{folder}/translate/data"
pieces = json.loads(Path(f"{folder}/sizes.json").read_text())["pieces"]


def pairs(name, **options):
    return {
        "class": "TranslationDataset",
        "path": folder,
        "file_postfix": name,
        "source_postfix": " </s>",
        "target_postfix": " </s>",
        "unknown_label": "<unk>",
        **options,
    }


train = pairs("train", seq_ordering="laplace:.500")
dev = pairs("dev", seq_ordering="sorted")
search_data = pairs("test", seq_ordering="sorted")
extern_data = {"data": {"dim": pieces, "sparse": True}, "classes": {"dim": pieces, "sparse": True}}

size, heads, inner, layers, dropout = 128, 4, 512, 2, 0.1
linear = {"class": "linear", "activation": None, "with_bias": False}


def transposed(reuse_layer, **options):
    return tf.transpose(reuse_layer.params["W"])


def embedded(network, name, source, **reuse):
    """Labels as vectors that know their places."""
    network |= {
        f"{name}_raw": {**linear, "n_out": size, "from": source, **reuse},
        f"{name}_weighted": {"class": "eval", "from": f"{name}_raw", "eval": f"source(0) * {size**0.5}"},
        f"{name}_placed": {"class": "positional_encoding", "add_to_input": True, "from": f"{name}_weighted"},
        name: {"class": "dropout", "from": f"{name}_placed", "dropout": dropout},
    }
    return name


def added(network, name, source, last):
    """What a block has made of its normalised source, and the source."""
    network |= {
        f"{name}_drop": {"class": "dropout", "from": last, "dropout": dropout},
        f"{name}_out": {"class": "combine", "kind": "add", "n_out": size, "from": [source, f"{name}_drop"]},
    }
    return f"{name}_out"


def self_attention(network, name, source, left_only):
    network |= {
        f"{name}_laynorm": {"class": "layer_norm", "from": source},
        f"{name}_att": {
            "class": "self_attention",
            "num_heads": heads,
            "total_key_dim": size,
            "n_out": size,
            "from": f"{name}_laynorm",
            "attention_left_only": left_only,
            "attention_dropout": dropout,
        },
        f"{name}_lin": {**linear, "n_out": size, "from": f"{name}_att"},
    }
    return added(network, name, source, f"{name}_lin")


def cross_attention(network, decoder, name, source):
    """Attention of the decoder to the encoder; keys and values are outside of the loop."""
    for part in ("key", "value"):
        network[f"{name}_{part}0"] = {**linear, "n_out": size, "from": "encoder"}
        network[f"{name}_{part}"] = {
            "class": "split_dims",
            "axis": "F",
            "dims": (heads, size // heads),
            "from": f"{name}_{part}0",
        }
    decoder |= {
        f"{name}_laynorm": {"class": "layer_norm", "from": source},
        f"{name}_query0": {**linear, "n_out": size, "from": f"{name}_laynorm"},
        f"{name}_query": {"class": "split_dims", "axis": "F", "dims": (heads, size // heads), "from": f"{name}_query0"},
        f"{name}_energy": {
            "class": "dot",
            "red1": -1,
            "red2": -1,
            "var1": "T",
            "var2": "T?",
            "from": [f"base:{name}_key", f"{name}_query"],
        },
        f"{name}_weights": {
            "class": "softmax_over_spatial",
            "from": f"{name}_energy",
            "energy_factor": (size // heads) ** -0.5,
        },
        f"{name}_weights_drop": {
            "class": "dropout",
            "dropout_noise_shape": {"*": None},
            "from": f"{name}_weights",
            "dropout": dropout,
        },
        f"{name}_heads": {
            "class": "generic_attention",
            "weights": f"{name}_weights_drop",
            "base": f"base:{name}_value",
        },
        f"{name}_merged": {"class": "merge_dims", "axes": "static", "from": f"{name}_heads"},
        f"{name}_lin": {**linear, "n_out": size, "from": f"{name}_merged"},
    }
    return added(decoder, name, source, f"{name}_lin")


def feed_forward(network, name, source):
    network |= {
        f"{name}_laynorm": {"class": "layer_norm", "from": source},
        f"{name}_conv1": {"class": "linear", "activation": "relu", "n_out": inner, "from": f"{name}_laynorm"},
        f"{name}_conv2": {
            "class": "linear",
            "activation": None,
            "n_out": size,
            "from": f"{name}_conv1",
            "dropout": dropout,
        },
    }
    return added(network, name, source, f"{name}_conv2")


network = {}
# Vectors of length one, times the square root of their size: as large as the encodings of places that are added.
unit = {"forward_weights_init": f"random_normal_initializer(mean=0.0, stddev={size**-0.5:.4f})"}
last = embedded(network, "source_embed", "data", **unit)
for n in range(1, layers + 1):
    last = self_attention(network, f"enc_{n}_self_att", last, left_only=False)
    last = feed_forward(network, f"enc_{n}_ff", last)
network["encoder"] = {"class": "layer_norm", "from": last}

decoder = {
    "output": {
        "class": "choice",
        "target": "classes",
        "beam_size": 6,
        "from": "output_prob",
        "initial_output": 0,
    },
    "end": {"class": "compare", "from": "output", "value": 0},
}
reused = {"reuse_params": {"map": {"W": {"reuse_layer": "base:source_embed_raw"}}}}
last = embedded(decoder, "target_embed", "prev:output", **reused)
for n in range(1, layers + 1):
    last = self_attention(decoder, f"dec_{n}_self_att", last, left_only=True)
    last = cross_attention(network, decoder, f"dec_{n}_att", last)
    last = feed_forward(decoder, f"dec_{n}_ff", last)
decoder |= {
    "decoder": {"class": "layer_norm", "from": last},
    "output_prob": {
        "class": "softmax",
        "from": "decoder",
        "target": "classes",
        "loss": "ce",
        "reuse_params": {"map": {"W": {"reuse_layer": "target_embed_raw", "custom": transposed}, "b": None}},
    },
}
network |= {
    "output": {
        "class": "rec",
        "from": [],
        "target": "classes",
        "max_seq_len": "max_len_from('base:encoder') * 2 + 4",
        "unit": decoder,
    },
    "decision": {
        "class": "decide",
        "from": "output",
        "loss": "edit_distance",
        "target": "classes",
        "only_on_search": True,
    },
}
search_output_layer = "decision"
search_output_file = "runs/configs/translate_transformer/found.txt"


def dynamic_learning_rate(*, global_train_step, learning_rate, **options):
    """Rises over the first steps."""
    return learning_rate * tf.minimum(1.0, tf.cast(global_train_step + 1, tf.float32) / 300.0)


batch_size, max_seqs, max_seq_length = 1000, 50, 64
buckets = 4
optimizer = {"class": "adam", "beta2": 0.98}
gradient_clip_global_norm = 5.0
learning_rate = 0.003
learning_rates = [0.003] * 5 + [0.002, 0.002, 0.001, 0.001, 0.0005]
model, learning_rate_file = (
    "runs/configs/translate_transformer/model",
    "runs/configs/translate_transformer/learning-rates",
)
cleanup_old_models = True
num_epochs = 10
