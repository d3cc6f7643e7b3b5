#!tenure train
# RNN transducer of letters: BLSTMs read features, an LSTM reads the letters so far, a joint network says the next letter or goes on.
#
# The loss sums over all alignments (`rnnt_loss`); CTC is a second one, with which the layers that read features learn sooner. The search
# is a loop over alignments, as configs write it: in each step the joint network looks at the frame `t`; a letter feeds the LSTM of letters,
# a blank goes on to the next frame.
#
# Data:      python -m examples.configs.prepare asr   (Debian's asterisk-core-sounds-en-wav: 12.3 minutes of one speaker)
# Baseline:  one text of the training for all, character error rate 87.6 %   (python -m examples.configs.baselines asr)
# Threshold: half of that, character error rate 44 %
# Command:   tenure train examples/configs/asr_transducer.py && tenure search examples/configs/asr_transducer.py
# Score:     character error rate 41.1 %; 5.0 minutes of training (23 epochs) on one core, programs compiled before

import json
import os
from pathlib import Path

from returnn.extern.HawkAaronWarpTransducer import rnnt_loss

folder = os.environ.get("TENURE_CONFIGS") or f"{Path(__file__).resolve().parents[2]}/.cache/configs"
folder = f"{folder}/asr"
labels = ["<blank>", *json.loads(Path(f"{folder}/data/letters.json").read_text())]
features, blank = 40, 0


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
        "targets": {"class": "CharacterTargets", "labels": labels, "unknown_label": None},
        **more,
    }


train = speech("train", seq_ordering="laplace:.50")
dev = speech("dev", seq_ordering="sorted")
search_data = speech("test")
extern_data = {"data": {"dim": features}, "classes": {"dim": len(labels), "sparse": True}}


def transducer(source, **_):
    """The loss of each sequence, from scores of labels on the grid of frames and letters, the letters, and the frames."""
    scores, letters, frames = (source(i, as_data=True, auto_convert=False) for i in range(3))
    return rnnt_loss(
        scores.get_placeholder_as_batch_major(),
        letters.get_placeholder_as_batch_major(),
        frames.get_sequence_lengths(),
        letters.get_sequence_lengths(),
        blank_label=blank,
    )


hidden, joint, dropout = 128, 128, 0.2
blstm = {"class": "rec", "unit": "nativelstm2", "n_out": hidden, "dropout": dropout}
linear = {"class": "linear", "activation": None}
network = {
    "fw0": {**blstm, "direction": 1, "from": "data", "dropout": 0.0},
    "bw0": {**blstm, "direction": -1, "from": "data", "dropout": 0.0},
    "pool0": {"class": "pool", "mode": "max", "pool_size": (2,), "padding": "same", "from": ["fw0", "bw0"]},
    "fw1": {**blstm, "direction": 1, "from": "pool0"},
    "bw1": {**blstm, "direction": -1, "from": "pool0"},
    "pool1": {"class": "pool", "mode": "max", "pool_size": (2,), "padding": "same", "from": ["fw1", "bw1"]},
    "encoder": {**linear, "n_out": joint, "dropout": dropout, "from": "pool1"},
    "ctc": {
        "class": "softmax",
        "from": "encoder",
        "target": "classes",
        "loss": "ctc",
        "loss_scale": 0.5,
        "loss_opts": {"beam_width": 1, "ctc_opts": {"ignore_longer_outputs_than_inputs": True}},
    },
    # training: all letters at once, and the grid of frames and letters
    "before": {"class": "prefix_in_time", "prefix": blank, "from": "data:classes"},
    "letter": {**linear, "with_bias": False, "n_out": 64, "from": "before"},
    "prediction": {**blstm, "from": "letter"},
    "predicted": {**linear, "with_bias": False, "n_out": joint, "dropout": dropout, "from": "prediction"},
    "grid": {
        "class": "combine",
        "kind": "add",
        "from": ["encoder", "predicted"],
        "allow_broadcast_all_sources": True,
    },
    "bent": {"class": "activation", "activation": "tanh", "from": "grid"},
    "scores": {**linear, "n_out": len(labels), "from": "bent"},
    "output": {
        "class": "eval",
        "eval": transducer,
        "from": ["scores", "data:classes", "encoder"],
        "out_type": {"shape": (), "dim": None, "time_dim_axis": None, "feature_dim_axis": None},
        "loss": "as_is",
    },
    # search: step by step, with the same parameters
    "frames": {"class": "length", "axis": "T", "from": "encoder"},
    "walk": {
        "class": "rec",
        "from": [],
        "target": "classes",
        "max_seq_len": "max_len_from('base:encoder') * 3",
        "include_eos": True,
        "unit": {
            "stays": {
                "class": "compare",
                "kind": "not_equal",
                "value": blank,
                "from": "output",
                "initial_output": True,
            },
            "t": {
                "class": "eval",
                "from": ["prev:t", "prev:output"],
                "eval": f"source(0) + tf.cast(tf.equal(source(1), {blank}), tf.int32)",
                "out_type": {"dtype": "int32", "dim": None, "shape": (), "sparse": False, "sparse_dim": None},
                "initial_output": -1,
            },
            "frame": {"class": "gather_nd", "position": "t", "from": "base:encoder"},
            "lm": {
                "class": "masked_computation",
                "mask": "prev:stays",
                "from": "prev:output",
                "unit": {
                    "class": "subnetwork",
                    "subnetwork": {
                        "letter": {**linear, "with_bias": False, "n_out": 64, "reuse_params": "base:base:letter"},
                        "lstm": {**blstm, "from": "letter", "reuse_params": "base:base:prediction"},
                        "output": {
                            **linear,
                            "with_bias": False,
                            "n_out": joint,
                            "from": "lstm",
                            "reuse_params": "base:base:predicted",
                        },
                    },
                },
            },
            "sum": {"class": "combine", "kind": "add", "from": ["frame", "lm"]},
            "bent": {"class": "activation", "activation": "tanh", "from": "sum"},
            "log_probs": {
                "class": "linear",
                "activation": "log_softmax",
                "n_out": len(labels),
                "from": "bent",
                "reuse_params": "base:scores",
            },
            "output": {
                "class": "choice",
                "input_type": "log_prob",
                "length_normalization": False,
                "beam_size": 4,
                "from": "log_probs",
                "target": "classes",
                "initial_output": blank,
            },
            "next": {
                "class": "eval",
                "from": ["t", "output"],
                "eval": f"source(0) + tf.cast(tf.equal(source(1), {blank}), tf.int32)",
                "out_type": {"dtype": "int32", "dim": None, "shape": (), "sparse": False, "sparse_dim": None},
            },
            "end": {"class": "compare", "kind": "greater_equal", "from": ["next", "base:frames"]},
        },
    },
    "decision": {"class": "decide", "from": "walk", "target": "classes"},
    "kept": {"class": "compare", "kind": "not_equal", "value": blank, "from": "decision"},
    "found": {
        "class": "masked_computation",
        "mask": "kept",
        "from": "decision",
        "unit": {"class": "copy", "from": "data"},
        "target": "classes",
    },
}
search_output_layer = "found"
search_output_file = "runs/configs/asr_transducer/found.txt"

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
learning_rate_file = "runs/configs/asr_transducer/learning-rates"
model = "runs/configs/asr_transducer/model"
cleanup_old_models = True
num_epochs = 23
