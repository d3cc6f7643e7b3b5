#!tenure train
# BLSTM-CTC recogniser of letters, from log-mel features.
#
# Data:      python -m examples.configs.prepare asr   (Debian's asterisk-core-sounds-en-wav: 12.3 minutes of one speaker)
# Baseline:  one text of the training for all, character error rate 87.6 %   (python -m examples.configs.baselines asr)
# Threshold: half of that, character error rate 44 %
# Command:   tenure train examples/configs/asr_ctc.py && tenure search examples/configs/asr_ctc.py
# Score:     character error rate 37.2 %; 4.0 minutes of training (40 epochs), 8 seconds of search, two cores, programs compiled before

import json
import os
from pathlib import Path

folder = os.environ.get("TENURE_CONFIGS") or f"{Path(__file__).resolve().parents[2]}/.cache/configs"
folder = f"{folder}/asr"
letters = json.loads(Path(f"{folder}/data/letters.json").read_text())
features, blank = 40, len(letters)


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
        "targets": {"class": "CharacterTargets", "labels": letters, "unknown_label": None},
        **more,
    }


train = speech("train", seq_ordering="laplace:.50")
dev = speech("dev", seq_ordering="sorted")
search_data = speech("test")
extern_data = {"data": {"dim": features}, "classes": {"dim": len(letters), "sparse": True}}

hidden, dropout = 128, 0.2
network = {
    "fw0": {"class": "rec", "unit": "nativelstm2", "n_out": hidden, "direction": 1, "from": "data"},
    "bw0": {"class": "rec", "unit": "nativelstm2", "n_out": hidden, "direction": -1, "from": "data"},
    "third": {"class": "pool", "mode": "max", "pool_size": (3,), "padding": "same", "from": ["fw0", "bw0"]},
    "fw1": {
        "class": "rec",
        "unit": "nativelstm2",
        "n_out": hidden,
        "direction": 1,
        "from": "third",
        "dropout": dropout,
    },
    "bw1": {
        "class": "rec",
        "unit": "nativelstm2",
        "n_out": hidden,
        "direction": -1,
        "from": "third",
        "dropout": dropout,
    },
    "output": {
        "class": "softmax",
        "n_out": blank + 1,
        "from": ["fw1", "bw1"],
        "dropout": dropout,
        "target": "classes",
        "loss": "ctc",
        "loss_opts": {"beam_width": 1},
    },
    # the best label of each frame, without repetitions and blanks
    "best": {"class": "reduce", "mode": "argmax", "axis": "F", "from": "output"},
    "before": {
        "class": "shift_axis",
        "axis": "T",
        "amount": 1,
        "pad_value": blank,
        "adjust_size_info": False,
        "from": "best",
    },
    "new": {"class": "compare", "kind": "not_equal", "from": ["best", "before"]},
    "letter": {"class": "compare", "kind": "not_equal", "value": blank, "from": "best"},
    "kept": {"class": "combine", "kind": "logical_and", "from": ["new", "letter"]},
    "found": {
        "class": "masked_computation",
        "mask": "kept",
        "from": "best",
        "unit": {"class": "copy", "from": "data"},
        "target": "classes",
    },
}
search_output_layer = "found"
search_output_file = "runs/configs/asr_ctc/found.txt"

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
learning_rate = 0.0015
learning_rate_control = "newbob_multi_epoch"
newbob_multi_num_epochs = newbob_multi_update_interval = 3
newbob_learning_rate_decay = 0.7
learning_rate_file = "runs/configs/asr_ctc/learning-rates"
model = "runs/configs/asr_ctc/model"
cleanup_old_models = True
num_epochs = 40
