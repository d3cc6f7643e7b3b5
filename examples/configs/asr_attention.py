#!tenure train
# Attention recogniser of letters: BLSTMs with pooling read features under SpecAugment, an LSTM with MLP attention writes letters;
# CTC on the encoder is a second loss.
#
# Data:      python -m examples.configs.prepare asr   (Debian's asterisk-core-sounds-en-wav: 12.3 minutes of one speaker)
# Baseline:  one text of the training for all, character error rate 87.6 %   (python -m examples.configs.baselines asr)
# Threshold: half of that, character error rate 44 %
# Command:   tenure train examples/configs/asr_attention.py && tenure search examples/configs/asr_attention.py
# Score:     character error rate 40.7 %; 10 minutes of training (45 epochs) on one core; its form was chosen on dev (26.3 % there)

import json
import os
from pathlib import Path

import tensorflow as tf

folder = os.environ.get("TENURE_CONFIGS") or f"{Path(__file__).resolve().parents[2]}/.cache/configs"
folder = f"{folder}/asr"
labels = ["</s>", *json.loads(Path(f"{folder}/data/letters.json").read_text())]
features, end = 40, 0


def speech(name, **more):
    return {
        "class": "OggZipDataset",
        "path": f"{folder}/data/{name}.zip",
        "audio": {
            "features": "log_mel_filterbank",
            "num_feature_filters": features,
            "norm_mean": "per_seq",
            "norm_std_dev": "per_seq",
        },
        "targets": {"class": "CharacterTargets", "labels": labels, "unknown_label": None, "seq_postfix": [end]},
        **more,
    }


train = speech("train", seq_ordering="laplace:.50")
dev = speech("dev", seq_ordering="sorted")
search_data = speech("test")
extern_data = {"data": {"dim": features}, "classes": {"dim": len(labels), "sparse": True}}


def masked(x, axis, most, longest, sizes):
    """`x` [B, T, F] with zeros in one to `most` stretches of an axis, each at most `longest` long, within `sizes` [B]."""
    places = tf.range(tf.shape(x)[axis])[None]
    count = tf.random.uniform((), 1, most + 1, dtype=tf.int32)

    def stretch(i, x):
        size = tf.random.uniform(tf.shape(sizes), 1, longest + 1, dtype=tf.int32)
        room = tf.cast(tf.maximum(sizes - size, 1), tf.float32)
        start = tf.cast(tf.random.uniform(tf.shape(sizes)) * room, tf.int32)
        inside = tf.logical_and(places >= start[:, None], places < (start + size)[:, None])  # [B, T] or [B, F]
        return i + 1, tf.where(tf.expand_dims(inside, 3 - axis), tf.zeros_like(x), x)

    _, x = tf.while_loop(lambda i, x: tf.less(i, count), stretch, (0, x))
    return x


def spec_augment(source, network):
    """SpecAugment (Park et al. 2019, https://arxiv.org/abs/1904.08779) while training; fewer stretches in the first steps."""
    x = source.get_placeholder_as_batch_major()  # [B, T, F]
    later = tf.cast(tf.greater_equal(network.global_train_step, 800), tf.int32)

    def augmented():
        y = masked(x, 1, 1 + later, 20, source.get_sequence_lengths())
        return masked(y, 2, 1 + later, 6, tf.fill([tf.shape(x)[0]], features))

    return network.cond_on_train(augmented, lambda: x)


hidden, dropout = 128, 0.2
blstm = {"class": "rec", "unit": "nativelstm2", "n_out": hidden, "dropout": dropout}
network = {
    "source": {
        "class": "eval",
        "from": "data",
        "eval": "self.network.get_config().typed_value('spec_augment')(source(0, as_data=True), network=self.network)",
    },
    "fw0": {**blstm, "direction": 1, "from": "source", "dropout": 0.0},
    "bw0": {**blstm, "direction": -1, "from": "source", "dropout": 0.0},
    "pool0": {"class": "pool", "mode": "max", "pool_size": (2,), "padding": "same", "from": ["fw0", "bw0"]},
    "fw1": {**blstm, "direction": 1, "from": "pool0"},
    "bw1": {**blstm, "direction": -1, "from": "pool0"},
    "pool1": {"class": "pool", "mode": "max", "pool_size": (2,), "padding": "same", "from": ["fw1", "bw1"]},
    "encoder": {"class": "copy", "from": "pool1"},
    "ctc": {
        "class": "softmax",
        "from": "encoder",
        "dropout": dropout,
        "target": "classes",
        "loss": "ctc",
        "loss_opts": {"beam_width": 1, "ctc_opts": {"ignore_longer_outputs_than_inputs": True}},
    },
    "keys": {"class": "linear", "activation": None, "n_out": hidden, "from": "encoder"},
    "inv_fertility": {"class": "linear", "activation": "sigmoid", "with_bias": False, "n_out": 1, "from": "encoder"},
    "output": {
        "class": "rec",
        "from": [],
        "target": "classes",
        "max_seq_len": "max_len_from('base:encoder')",
        "unit": {
            "letter": {
                "class": "linear",
                "activation": None,
                "with_bias": False,
                "n_out": 64,
                "from": "output",
                "initial_output": 0,
            },
            "s": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": hidden, "from": ["prev:letter", "prev:context"]},
            "query": {"class": "linear", "activation": None, "with_bias": False, "n_out": hidden, "from": "s"},
            "feedback": {
                "class": "linear",
                "activation": None,
                "with_bias": False,
                "n_out": hidden,
                "from": ["prev:accumulated", "front"],
            },
            # how far the attention has come (Chorowski et al. 2015, https://arxiv.org/abs/1506.07503)
            "front": {
                "class": "conv",
                "activation": None,
                "with_bias": False,
                "n_out": 16,
                "filter_size": (11,),
                "padding": "same",
                "from": "prev:accumulated",
            },
            "both": {"class": "combine", "kind": "add", "n_out": hidden, "from": ["base:keys", "feedback", "query"]},
            "bent": {"class": "activation", "activation": "tanh", "from": "both"},
            "energy": {"class": "linear", "activation": None, "with_bias": False, "n_out": 1, "from": "bent"},
            "weights": {"class": "softmax_over_spatial", "from": "energy"},
            "accumulated": {
                "class": "eval",
                "from": ["prev:accumulated", "weights", "base:inv_fertility"],
                "eval": "source(0) + source(1) * source(2) * 0.5",
                "out_type": {"dim": 1, "shape": (None, 1)},
            },
            "context": {"class": "generic_attention", "weights": "weights", "base": "base:encoder"},
            "readout_in": {
                "class": "linear",
                "activation": None,
                "n_out": 2 * hidden,
                "from": "context",  # and nothing else, so that the decoder cannot write texts that it learned by heart
            },
            "readout": {"class": "reduce_out", "mode": "max", "num_pieces": 2, "from": "readout_in"},
            "output_prob": {
                "class": "softmax",
                "from": "readout",
                "dropout": dropout,
                "target": "classes",
                "loss": "ce",
                "loss_opts": {"label_smoothing": 0.1},
            },
            "output": {
                "class": "choice",
                "from": "output_prob",
                "target": "classes",
                "beam_size": 6,
                "initial_output": 0,
            },
            "end": {"class": "compare", "from": "output", "value": end},
        },
    },
    "decision": {
        "class": "decide",
        "from": "output",
        "target": "classes",
        "loss": "edit_distance",
        "only_on_search": True,
    },
}
search_output_layer = "decision"
search_output_file = "runs/configs/asr_attention/found.txt"

batch_size, max_seqs = {"data": 3200}, 12
# few shapes, so that few programs are compiled
buckets = [
    {"data": 112, "classes": 16, "rows": 12},
    {"data": 208, "classes": 40, "rows": 12},
    {"data": 400, "classes": 72, "rows": 12},
    {"data": 640, "classes": 112, "rows": 7},
    {"data": 1480, "classes": 176, "rows": 5},
]
optimizer = {"class": "adam"}
gradient_clip_global_norm = 5.0
learning_rates = [0.0005, 0.0008, 0.0011, 0.0014, 0.0015]
learning_rate_control = "newbob_multi_epoch"
newbob_multi_num_epochs = newbob_multi_update_interval = 3
newbob_learning_rate_decay = 0.7
learning_rate_file = "runs/configs/asr_attention/learning-rates"
model = "runs/configs/asr_attention/model"
cleanup_old_models = True
num_epochs = 45
