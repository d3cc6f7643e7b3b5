"""Trainings of models that a config makes itself, with Tenure's modules or with those of the Haiku profile."""

import re

import numpy as np
import pytest

from tenure.training.config import load
from tenure.training.engine import checking, tasks
from tenure.training.engine.log import Log
from tenure.training.engine.models import Models, read
from tenure.training.errors import ConfigError

HEAD = """#!rnn.py
import jax, jax.numpy as jnp
import tenure as tn
from tenure.training import Loss
train = {"class": "Task12AXDataset", "num_seqs": 20}
dev = {"class": "Task12AXDataset", "num_seqs": 6, "fixed_random_seed": 1}
extern_data = {"data": {"dim": 9}, "classes": {"dim": 2, "sparse": True}}
batch_size, learning_rate, num_epochs = 500, 0.05, 2
optimizer = {"class": "adam"}

def losses(logits, batch):
    keep = jnp.arange(logits.shape[1]) < batch["classes_lengths"][:, None]
    told = -jnp.take_along_axis(jax.nn.log_softmax(logits), batch["classes"][..., None], -1)[..., 0]
    wrong = jnp.argmax(logits, -1) != batch["classes"]
    return Loss(jnp.where(keep, told, 0).sum(), keep.sum(), jnp.where(keep, wrong, False).sum())
"""
OWN = """
def get_model():
    def forward(batch):
        hidden = jnp.tanh(tn.nn.Linear(8, name="hidden")(batch["data"]))
        hidden = tn.nn.dropout(0.1, hidden)
        logits = tn.nn.Linear(2, name="output")(hidden)
        return losses(logits, batch), {"output": (jax.nn.softmax(logits), batch["data_lengths"])}
    return tn.transform(forward)
"""
HAIKU = """
import tenure.haiku as hk

def get_model():
    def forward(batch, is_training):
        hidden = hk.Linear(8)(batch["data"])
        hidden = hk.BatchNorm(True, True, 0.9)(hidden, is_training)
        if is_training:
            hidden = hk.dropout(hk.next_rng_key(), 0.1, hidden)
        return {"ce": losses(hk.Linear(2)(hidden), batch)}
    return hk.transform_with_state(forward)
"""
PLAIN = """
def get_model():
    def forward(batch):
        logits = tn.nn.Linear(2, name="output")(batch["data"])
        each = jnp.square(logits).mean((1, 2))
        return jnp.sum(jnp.where(batch["row_mask"], each, 0)) / batch["row_mask"].sum()
    return forward
"""


def written(folder, text, **more):
    path = folder / "config.py"
    path.write_text(HEAD + text)
    config = load(path)
    config.update({"model": f"{folder}/net/model", "learning_rate_file": f"{folder}/rates", **more})
    return config


def scores(folder, key):
    return [float(x) for x in re.findall(rf"'{key}': (?:np\.float32\()?([\d.]+)", (folder / "rates").read_text())]


@pytest.mark.parametrize("text", [OWN, HAIKU, PLAIN], ids=["own", "haiku", "plain"])
def test_a_model_trains(tmp_path, text):
    config = written(tmp_path, text)
    assert not [f for f in checking.findings(config) if f.wrong]
    tasks.run(config, Log(0))
    told = scores(tmp_path, "train_score")
    assert len(told) == len(scores(tmp_path, "dev_score")) == 2 and told[1] < told[0]
    whole = read(Models(tmp_path / "net" / "model").path(2))
    again = tmp_path / "again"
    again.mkdir()
    for epochs in (1, 2):  # stops after the first epoch, and goes on
        tasks.run(written(again, text, num_epochs=epochs), Log(0))
    found = read(Models(again / "net" / "model").path(2))
    assert found.keys() == whole.keys()
    for name in whole:
        np.testing.assert_array_equal(found[name], whole[name], err_msg=name)


def test_padding_changes_no_score(tmp_path):
    found = []
    for buckets in ("exact", None):
        folder = tmp_path / str(buckets)
        folder.mkdir()
        tasks.run(written(folder, OWN.replace("dropout(0.1", "dropout(0.0"), buckets=buckets), Log(0))
        found.append([*scores(folder, "train_score"), *scores(folder, "dev_score"), *scores(folder, "dev_error")])
    assert len(found[0]) == 6
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)


def test_outputs_are_forwarded(tmp_path):
    h5py = pytest.importorskip("h5py")
    tasks.run(written(tmp_path, OWN), Log(0))
    data = {"class": "Task12AXDataset", "num_seqs": 3}
    out = {"task": "forward", "forward_data": data, "output_file": str(tmp_path / "out.hdf")}
    tasks.run(written(tmp_path, OWN, **out), Log(0))
    with h5py.File(tmp_path / "out.hdf") as file:
        np.testing.assert_allclose(file["inputs"][()].sum(-1), 1, rtol=1e-5)
        assert file["seqLengths"][:, 0].sum() == len(file["inputs"])
    with pytest.raises(ConfigError, match="out.hdf' is there already"):
        tasks.run(written(tmp_path, OWN, **out), Log(0))
    out["forward_override_hdf_output"] = True
    with pytest.raises(ConfigError, match="the model gives no output 'hidden'"):
        tasks.run(written(tmp_path, OWN, **out, forward_output_layer="hidden"), Log(0))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return 3", "gives 3, and no model"),
        ("return lambda batch: batch['data']", r"the shape \(.*\): a loss is a number"),
        ("return lambda batch: 'text'", "'loss' is 'text', and no loss"),
    ],
)
def test_what_is_no_model_is_told(tmp_path, body, says):
    with pytest.raises(ConfigError, match=says):
        tasks.run(written(tmp_path, f"\ndef get_model():\n    {body}\n"), Log(0))
