#!tenure train
# Hybrid frame classifier: recurrent layers say which letter each frame of speech is, by the alignment with which hybrid recognisers start.
#
# Data:      python -m examples.configs.prepare frames   (Debian's asterisk-core-sounds-en-wav: 12.3 minutes of one speaker)
# Baseline:  the most frequent label, frame error rate 88.6 %   (python -m examples.configs.baselines frames)
# Threshold: a fifth of all frames right that the baseline gets wrong, frame error rate 71 %
# Command:   tenure train examples/configs/frames.py && tenure eval examples/configs/frames.py
# Score:     frame error rate 69.1 %, after 3.2 minutes of one core (16 epochs of 9 s; measured beside other work, as processor time)

import os
from pathlib import Path

folder = os.environ.get("TENURE_CONFIGS") or f"{Path(__file__).resolve().parents[2]}/.cache/configs"


def speech(name, **options):
    return {"class": "HDFDataset", "files": [f"{folder}/frames/data/{name}.hdf"], **options}


train = speech("train", seq_ordering="laplace:.50")
dev = speech("dev", seq_ordering="sorted")
eval_datasets = {"test": speech("test", seq_ordering="sorted")}
extern_data = {"data": {"dim": 40}, "classes": {"dim": 29, "sparse": True}}

network = {
    "fw0": {"class": "rec", "unit": "nativelstm2", "n_out": 128, "direction": 1, "from": "data"},
    "bw0": {"class": "rec", "unit": "nativelstm2", "n_out": 128, "direction": -1, "from": "data"},
    "fw1": {
        "class": "rec",
        "unit": "nativelstm2",
        "n_out": 128,
        "direction": 1,
        "from": ["fw0", "bw0"],
        "dropout": 0.3,
    },
    "bw1": {
        "class": "rec",
        "unit": "nativelstm2",
        "n_out": 128,
        "direction": -1,
        "from": ["fw0", "bw0"],
        "dropout": 0.3,
    },
    "output": {"class": "softmax", "loss": "ce", "from": ["fw1", "bw1"], "dropout": 0.3},
}

batch_size, max_seqs = 6000, 40
optimizer = {"class": "nadam"}
gradient_clip_global_norm = 5.0
learning_rate = 0.002
learning_rate_control = "newbob_multi_epoch"
newbob_multi_num_epochs = newbob_multi_update_interval = 2
model, learning_rate_file = "runs/configs/frames/model", "runs/configs/frames/learning-rates"
cleanup_old_models = True
num_epochs = 16
