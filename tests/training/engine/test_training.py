"""Trainings of our own: that they go on exactly where they stopped, and what they tell."""

import subprocess
import sys

import numpy as np
import pytest

from tenure.training.config.config import Config
from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.engine.models import Models, metadata, read
from tenure.training.engine.training import Stopped, Training
from tenure.training.errors import ConfigError, DataSetError, TrainingError

NET = {
    "h": {"class": "linear", "activation": "tanh", "n_out": 5, "from": "data", "dropout": 0.2},
    "output": {"class": "softmax", "loss": "ce", "from": "h"},
}


def config(folder, **more):
    data = {"class": "Task12AXDataset", "num_seqs": 12}
    return {
        "model": f"{folder}/net/model",
        "learning_rate_file": f"{folder}/rates",
        "train": data,
        "dev": {**data, "fixed_random_seed": 1},
        "num_inputs": 9,
        "num_outputs": 2,
        "network": NET,
        "batch_size": 300,
        "batching": "random",
        "optimizer": {"class": "adam"},
        "learning_rate": 0.01,
        "num_epochs": 2,
        "report": False,
        **more,
    }


def run(folder, **more):
    tasks.run(config(folder, **more), Log(0))
    return values(folder)


def values(folder, epoch=2):
    return read(Models(folder / "net" / "model").path(epoch))


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


class StopAt:
    """Stops a training after so many steps, as a signal would."""

    def __init__(self, steps):
        self.left, self.training = steps, None

    def __call__(self, what, told):
        self.training = told.get("training", self.training)
        if what == "step" and told["dataset"] == "train":
            self.left -= 1
            if not self.left:
                self.training.signals.number = 15


@pytest.mark.parametrize("steps", [1, 5])
def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path, steps):
    whole = run(tmp_path / "whole")
    given = config(tmp_path / "parts")
    with pytest.raises(Stopped, match="the same command goes on") as stop:
        Training(given, Log(0), StopAt(steps)).run()
    assert stop.value.status == 143
    assert metadata(Models(tmp_path / "parts" / "net" / "model").unfinished)["done"] > 0
    Training(given, Log(0)).run()
    same(whole, values(tmp_path / "parts"))
    texts = [(tmp_path / name / "rates").read_text() for name in ("whole", "parts")]
    first, second = ([x for x in text.splitlines() if "time_secs" not in x] for text in texts)
    assert first == second


@pytest.mark.parametrize("change", [{"batch_size": 250}, {"batching": "sorted"}, {"train": {"num_seqs": 11}}])
def test_an_epoch_does_not_go_on_with_other_batches(tmp_path, change):
    given = config(tmp_path)
    with pytest.raises(Stopped):
        Training(given, Log(0), StopAt(2)).run()
    if "train" in change:
        change = {"train": {**given["train"], **change["train"]}}
    with pytest.raises(TrainingError, match="its batches are not those from before the stop") as refused:
        Training({**given, **change}, Log(0)).run()
    unfinished = Models(tmp_path / "net" / "model").unfinished
    assert unfinished.exists() and f"remove '{unfinished}'" in str(refused.value)
    Models(tmp_path / "net" / "model").remove(unfinished)
    Training({**given, **change, "num_epochs": 1}, Log(0)).run()


def test_a_label_that_the_network_does_not_have_is_told_with_its_sequence(tmp_path):
    data = [{"data": np.zeros((3, 9), "float32"), "classes": np.array(c, "int32")} for c in ([0, 1, 1], [0, 5, 1])]
    train = {"class": "StaticDataset", "data": data, "output_dim": {"data": [9, 2], "classes": [2, 1]}}
    with pytest.raises(DataSetError, match="'seq-1' has the label 5 in the stream 'classes'.* 2 labels"):
        run(tmp_path, train=train, batching="default")


def test_more_epochs_go_on_where_the_last_one_ended(tmp_path):
    whole = run(tmp_path / "whole")
    run_one = config(tmp_path / "parts", num_epochs=1)
    tasks.run(run_one, Log(0))
    same(whole, run(tmp_path / "parts"))


def test_an_epoch_that_was_trained_but_not_evaluated_is_evaluated_first(tmp_path):
    given = config(tmp_path, num_epochs=1)
    training = Training(given, Log(0))
    training._evaluate = lambda epoch: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        training.run()
    assert "dev_score" not in (tmp_path / "rates").read_text()
    Training(given, Log(0)).run()
    assert "dev_score" in (tmp_path / "rates").read_text()


def test_old_models_are_removed_and_nothing_else(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "model.notes").write_text("mine")
    tasks.run(
        config(tmp_path, num_epochs=3, cleanup_old_models={"keep_last_n": 1, "keep_best_n": 0, "keep": []}), Log(0)
    )
    assert sorted(p.name for p in (tmp_path / "net").iterdir()) == ["model.003", "model.notes"]


def test_forward_and_priors(tmp_path):
    h5py = pytest.importorskip("h5py")
    tasks.run(config(tmp_path, num_epochs=1), Log(0))
    out = {"eval": {"class": "Task12AXDataset", "num_seqs": 3}, "output_file": str(tmp_path / "out.hdf")}
    tasks.run(config(tmp_path, task="forward", **out), Log(0))
    with h5py.File(tmp_path / "out.hdf") as file:
        np.testing.assert_allclose(file["inputs"][()].sum(-1), 1, rtol=1e-5)
        assert file["seqLengths"][:, 0].sum() == len(file["inputs"]) and file["seqLengths"].shape == (3, 2)
        assert sorted(file) == ["inputs", "labels", "seqLengths", "seqTags"]
        assert dict(file.attrs)["inputPattSize"] == dict(file.attrs)["numLabels"] == 2
    tasks.run(config(tmp_path, task="compute_priors", output_file=str(tmp_path / "prior")), Log(0))
    np.testing.assert_allclose(np.exp(np.loadtxt(tmp_path / "prior")).sum(), 1, rtol=1e-5)


def test_data_that_are_no_numbers_are_named(tmp_path):
    data = [{"data": np.zeros((3, 9), "float32"), "classes": np.array([0, 1, 1], "int32")} for _ in range(2)]
    data[1]["data"][2, 4] = np.nan
    train = {"class": "StaticDataset", "data": data, "output_dim": {"data": [9, 2], "classes": [2, 1]}}
    named = r"(?s)epoch 1, step 0: the loss is nan.*lengths.*\[3, 3.*no numbers: 'seq-1' \('data'\)\n.*parameters.*: h/W, h/b"
    with pytest.raises(TrainingError, match=named):
        run(tmp_path, train=train, batching="default")
    assert not (tmp_path / "net" / "model.001").exists()


def test_a_loss_that_is_no_number_names_sequences_and_parameters(tmp_path):
    with pytest.raises(TrainingError, match=r"(?s)the loss is (nan|inf).*seq-"):
        tasks.run(config(tmp_path, learning_rate=float("inf"), optimizer={"class": "gradientdescent"}), Log(0))


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DataSetError, match="the network is fed 'letters', which the data set does not have"):
        data = {"letters": {"dim": 3}, "classes": {"dim": 2, "sparse": True}}
        net = {"output": {"class": "softmax", "loss": "ce", "from": "data:letters"}}
        tasks.run(config(tmp_path, extern_data=data, network=net), Log(0))
    with pytest.raises(ConfigError, match=r"(?s)task is 'trian'.*nearest names: train"):
        tasks.run(Config({"task": "trian"}), Log(0))
    with pytest.raises(ConfigError, match="there is no checkpoint under"):
        tasks.run(config(tmp_path, task="eval"), Log(0))


SPREAD = """
import sys, tempfile, pathlib
import numpy as np
sys.path.insert(0, sys.argv[1])
more = dict(num_epochs=1, max_seqs=4, network={"output": {"class": "softmax", "loss": "ce", "from": "data"}})
found = []
for devices in (1, 4):
    folder = pathlib.Path(tempfile.mkdtemp())
    import tests.training.engine.test_training as t
    t.tasks.run(t.config(folder, devices=devices, **more), t.Log(0))
    found.append(t.values(folder, 1))
for name in found[0]:
    np.testing.assert_allclose(found[0][name], found[1][name], rtol=1e-5, atol=1e-6)
"""


def test_several_devices_give_the_numbers_of_one(request):
    import os

    env = {**os.environ, "XLA_FLAGS": os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"}
    done = subprocess.run(
        [sys.executable, "-c", SPREAD, str(request.config.rootpath)], env=env, capture_output=True, text=True
    )
    assert not done.returncode, done.stderr[-3000:]
