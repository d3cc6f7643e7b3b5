"""Options of trainings: averaging, early stop, mixed precision, greedy pretraining, optimizer states that go over."""

import io
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from tenure.network.model import Network
from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.engine.models import Models, read
from tenure.training.engine.step import State, Steps
from tenure.training.engine.training import Training
from tenure.training.errors import ConfigError
from tenure.training.optimizing.updater import Updater
from tests.training.engine.test_training import config, values

DATA = {"class": "Task12AXDataset", "num_seqs": 6}
SMALL = {"output": {"class": "softmax", "loss": "ce", "from": "data"}}


def small(folder, **more):
    return config(folder, **{"train": DATA, "dev": None, "network": SMALL, "report": False, **more})


def test_the_average_of_epochs_is_of_owners(tmp_path):
    tasks.run(small(tmp_path, num_epochs=3), Log(0))
    each = [values(tmp_path, epoch) for epoch in (2, 3)]
    given = small(tmp_path, average_epochs={"last": 2}, average_output=f"{tmp_path}/average")
    training = Training(given, Log(0))
    assert training.load_epoch() == 3
    saved = read(tmp_path / "average")
    for name in ("output/W", "output/b"):
        mean = (each[0][name] + each[1][name]) / 2
        np.testing.assert_allclose(saved[name], mean, rtol=1e-6)
        np.testing.assert_array_equal(training.state.params["output"][name[-1]], saved[name])
    with pytest.raises(ConfigError, match=r"(?s)no checkpoint of 7.*epochs that are there: 1, 2, 3"):
        Training({**given, "average_epochs": [3, 7]}, Log(0)).load_epoch()
    with pytest.raises(ConfigError, match="no epoch has the score 'dev_err'"):
        Training({**given, "average_epochs": {"best": 2, "measure": "dev_err"}}, Log(0)).load_epoch()


def test_a_training_ends_when_its_best_epoch_is_old(tmp_path):
    out = io.StringIO()
    given = small(tmp_path, num_epochs=9, early_stop={"patience": 2, "measure": "train_score", "min_improvement": 9.0})
    tasks.run(given, Log(3, out=out))
    assert max(Models(tmp_path / "net" / "model").existing()) == 3
    assert "Finished training in epoch 3." in out.getvalue()
    tasks.run(given, Log(0))  # and does not go on
    assert max(Models(tmp_path / "net" / "model").existing()) == 3


LOWERED = {
    "norm": {"class": "batch_norm", "from": "data"},
    "lstm": {"class": "rec", "unit": "nativelstm2", "n_out": 4, "from": "norm", "dropout": 0.1},
    "output": {"class": "softmax", "loss": "ce", "from": "lstm", "L2": 0.01},
}


def test_mixed_precision_computes_in_another_type_and_keeps_float32(tmp_path):
    found = {}
    for mixed in (False, True, "float16"):
        given = small(tmp_path / str(mixed), network=LOWERED, mixed_precision=mixed, num_epochs=1)
        tasks.run(given, Log(0))
        training = Training(given, Log(0))
        training.start()
        found[mixed] = training.rates.epochs[1].scores["train_score"]
        assert {str(v.dtype) for v in values(tmp_path / str(mixed), 1).values() if hasattr(v, "dtype")} == {"float32"}
        if mixed == "float16":
            scale = float(training.state.optimizer[-1]["scale"])  # saved with the optimizer; it starts at 2**15
            assert 2 <= scale <= 2**15 and np.log2(scale) % 1 == 0
    assert len(set(found.values())) == 3
    for mixed in (True, "float16"):
        assert found[mixed] == pytest.approx(found[False], rel=0.05)
    with pytest.raises(ConfigError, match="mixed_precision is 'float8'"):
        tasks.run(small(tmp_path / "x", mixed_precision="float8"), Log(0))


def test_a_step_whose_gradients_overflow_changes_nothing_but_the_scale():
    net = Network(SMALL, {"data": {"dim": 2}, "classes": {"dim": 3, "sparse": True}})
    given = {"mixed_precision": "float16", "optimizer": {"class": "adam"}}
    steps = Steps(net, Updater(given, net.trainable()), config=given)
    params, state = net.init(jax.random.key(0))
    optimizer = steps.updater.init(params)
    optimizer[-1]["scale"] = jax.numpy.float32(2.0**30)  # far more than float16 has
    before = State(params, state, optimizer)
    kept = jax.device_get((params, optimizer[:-1]))
    lengths = np.array([5, 4])
    batch = {"data": (np.ones((2, 5, 2), "float32"), lengths), "classes": (np.zeros((2, 5), "int32"), lengths)}
    after, _, objective = steps.train(before, batch, 0.1, 0, jax.random.key(1))
    jax.tree.map(np.testing.assert_array_equal, kept, jax.device_get((after.params, after.optimizer[:-1])))
    assert float(after.optimizer[-1]["scale"]) == 2.0**29 and np.isfinite(objective)
    after.optimizer[-1]["scale"] = jax.numpy.float32(1024)
    moved, _, again = steps.train(after, batch, 0.1, 1, jax.random.key(1))
    assert float(again) == float(objective)  # it is told without the scale
    assert not np.array_equal(moved.params["output"]["W"], kept[0]["output"]["W"])


def growing(index, net):
    if index:
        return None
    return {"a": net["a"], "output": {**net["output"], "from": "a"}}


GROWN = {
    "a": {"class": "linear", "activation": "tanh", "n_out": 4, "from": "data"},
    "b": {"class": "linear", "activation": "tanh", "n_out": 4, "from": "a"},
    "output": {"class": "softmax", "loss": "ce", "from": "b"},
}
PRETRAIN = {"construction_algo": growing, "repetitions": 1}


def test_greedy_pretraining_trains_what_is_new(tmp_path):
    given = small(tmp_path, network=GROWN, pretrain={**PRETRAIN, "greedy": True}, num_epochs=3)
    tasks.run(given, Log(0))
    models = Models(tmp_path / "net" / "model")
    one, two, three = (read(models.path(epoch, epoch < 3)) for epoch in (1, 2, 3))
    assert one["a/W"].tolist() == two["a/W"].tolist() != three["a/W"].tolist()
    assert one["output/W"].tolist() != two["output/W"].tolist()


def test_optimizer_states_go_over_to_the_next_network_unless_they_are_reset(tmp_path):
    moments = {}
    for reset in (False, True):
        given = small(tmp_path / str(reset), network=GROWN, pretrain=PRETRAIN, num_epochs=1, reset_optimizer=reset)
        training = Training(given, Log(0))
        training.run()
        before = training.state.optimizer[0]["optimizer"]
        training.set_network(2)
        after = moments[reset] = training.state.optimizer[0]["optimizer"]
        assert not np.asarray(after["m"]["b", "W"]).any()
        if not reset:
            np.testing.assert_array_equal(after["m"]["a", "W"], before["m"]["a", "W"])
    assert np.asarray(moments[False]["v"]["a", "W"]).any() and not np.asarray(moments[True]["v"]["a", "W"]).any()


def test_a_training_goes_on_with_another_optimizer(tmp_path):
    tasks.run(small(tmp_path, num_epochs=1), Log(0))
    out = io.StringIO()
    training = Training(small(tmp_path, num_epochs=2, accum_grad_multiple_step=2), Log(3, out=out))
    before = read(tmp_path / "net" / "model.001")
    training.start()
    assert "of 7 arrays of its state, 5 are in" in out.getvalue()
    assert np.asarray(training.state.optimizer[0]["optimizer"]["m"]["output", "W"]).any()
    np.testing.assert_array_equal(training.state.params["output"]["W"], before["output/W"])
    with pytest.raises(ConfigError, match="no epoch has the score 'dev_error'"):
        Training(small(tmp_path, early_stop={"patience": 1, "measure": "dev_error"}), Log(0)).run()


SHARDED = """
import os, pathlib, sys, tempfile
import jax, numpy as np
sys.path.insert(0, sys.argv[1])
from tests.training.engine.test_options import small, tasks, values, Log, Training, ConfigError
net = {
    "a": {"class": "linear", "activation": "tanh", "n_out": 8, "from": "data"},
    "b": {"class": "linear", "activation": "tanh", "n_out": 8, "from": "a"},
    "c": {"class": "linear", "activation": "tanh", "n_out": 8, "from": "b", "reuse_params": "b"},
    "output": {"class": "softmax", "loss": "ce", "from": "c"},
}
rules = {"b/W": (None, "model"), "a/W": (None, "model")}
more = dict(num_epochs=2, max_seqs=2, network=net)
found = []
for given in ({}, dict(mesh={"data": 2, "model": -1}, sharding=rules, devices=4)):
    folder = pathlib.Path(tempfile.mkdtemp())
    given = small(folder, **more, **given)
    training = Training({**given, "num_epochs": 1}, Log(0))
    training.run()
    if "sharding" in given:
        w, m = training.state.params["b"]["W"], training.state.optimizer[0]["optimizer"]["m"]["b", "W"]
        assert {s.data.shape for s in w.addressable_shards} == {(8, 4)} == {s.data.shape for s in m.addressable_shards}
        assert "c" not in training.state.params
        assert training.state.params["output"]["W"].sharding.is_fully_replicated
    tasks.run(given, Log(0))
    found.append(values(folder))
for name in found[0]:
    np.testing.assert_allclose(found[0][name], found[1][name], rtol=1e-5, atol=1e-6)
try:
    Training(small(folder, **more, mesh={"data": 2, "model": 2}, sharding={"c/W": "model"}), Log(0)).start()
except Exception as error:
    assert "b/W" in str(error), error
else:
    raise AssertionError("a rule for a borrower is refused")
try:
    Training(small(folder, **more, mesh={"data": 3, "model": 2}), Log(0)).start()
except ConfigError as error:
    assert "6 devices" in str(error), error
else:
    raise AssertionError("a mesh that is too large is refused")
"""


def test_rules_of_owners_say_where_parameters_lie_and_change_no_number(request):
    env = {**os.environ, "XLA_FLAGS": os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"}
    command = [sys.executable, "-c", SHARDED, str(request.config.rootpath)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert not done.returncode, done.stderr[-3000:]
