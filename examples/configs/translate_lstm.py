#!tenure train
# English to German: LSTM encoder-decoder, MLP attention with weight feedback. The target's embedding is that of the source, by reuse_params, and the
# output layer's matrix is that of the target's embedding, transposed: a chain of three uses of one matrix.
#
# Data:      python -m examples.configs.prepare translate   (texts of Home Assistant's interface, as in examples/translate: 22,129 pairs)
# Baseline:  copying the source, BLEU 9.2   (python -m examples.configs.baselines translate)
# Threshold: half as much again, BLEU 13.8
# Command:   tenure train examples/configs/translate_lstm.py && tenure search examples/configs/translate_lstm.py
# Score:     BLEU 23.6, chrF 47.5; 8.1 minutes of training, on about one core (another training ran on the other one)

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


def transposed(reuse_layer, **options):
    return tf.transpose(reuse_layer.params["W"])


size, dropout = 128, 0.1
lstm = {"class": "rec", "unit": "nativelstm2", "n_out": size, "from": "source_embed", "dropout": dropout}
linear = {"class": "linear", "activation": None, "with_bias": False}
network = {
    "source_embed": {**linear, "n_out": size, "from": "data"},
    "fw": {**lstm, "direction": 1},
    "bw": {**lstm, "direction": -1},
    "encoder": {"class": "copy", "from": ["fw", "bw"], "dropout": dropout},
    "enc_ctx": {"class": "linear", "activation": None, "n_out": size, "from": "encoder"},
    "inv_fertility": {"class": "linear", "activation": "sigmoid", "with_bias": False, "n_out": 1, "from": "encoder"},
    "output": {
        "class": "rec", "from": [], "target": "classes", "max_seq_len": "max_len_from('base:encoder') * 2 + 4",
        "unit": {
            "output": {"class": "choice", "target": "classes", "beam_size": 6, "from": "output_prob", "initial_output": 0},
            "end": {"class": "compare", "from": "output", "value": 0},
            "target_embed": {
                **linear, "n_out": size, "from": "output", "initial_output": 0,
                "reuse_params": {"map": {"W": {"reuse_layer": "base:source_embed"}}},
            },
            "s": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": size, "from": ["prev:target_embed", "prev:att"], "dropout": dropout},
            "s_transformed": {**linear, "n_out": size, "from": "s"},
            "weight_feedback": {**linear, "n_out": size, "from": "prev:accum_att_weights"},
            "energy_in": {"class": "combine", "kind": "add", "n_out": size, "from": ["base:enc_ctx", "weight_feedback", "s_transformed"]},
            "energy_tanh": {"class": "activation", "activation": "tanh", "from": "energy_in"},
            "energy": {**linear, "n_out": 1, "from": "energy_tanh"},
            "att_weights": {"class": "softmax_over_spatial", "from": "energy"},
            "accum_att_weights": {
                "class": "eval", "from": ["prev:accum_att_weights", "att_weights", "base:inv_fertility"],
                "eval": "source(0) + source(1) * source(2) * 0.5", "out_type": {"dim": 1, "shape": (None, 1)},
            },
            "att": {"class": "generic_attention", "weights": "att_weights", "base": "base:encoder"},
            "readout_in": {"class": "linear", "activation": None, "n_out": 2 * size, "from": ["s", "prev:target_embed", "att"]},
            "readout": {"class": "reduce_out", "mode": "max", "num_pieces": 2, "from": "readout_in"},
            "output_prob": {
                "class": "softmax", "from": "readout", "dropout": dropout, "target": "classes", "loss": "ce",
                "reuse_params": {"auto_create_missing": True, "map": {"W": {"reuse_layer": "target_embed", "custom": transposed}}},
            },
        },
    },
    "decision": {"class": "decide", "from": "output", "loss": "edit_distance", "target": "classes", "only_on_search": True},
}  # fmt: skip
search_output_layer = "decision"
search_output_file = "runs/configs/translate_lstm/found.txt"


def dynamic_learning_rate(*, global_train_step, learning_rate, **options):
    """Rises over the first steps."""
    return learning_rate * tf.minimum(1.0, tf.cast(global_train_step + 1, tf.float32) / 300.0)


batch_size, max_seqs, max_seq_length = 1000, 50, 64
buckets = 4
optimizer = {"class": "adam"}
gradient_clip_global_norm = 5.0
learning_rate = 0.003
learning_rates = [0.003, 0.003, 0.003, 0.002, 0.001, 0.0005]
model, learning_rate_file = "runs/configs/translate_lstm/model", "runs/configs/translate_lstm/learning-rates"
cleanup_old_models = True
num_epochs = 6
