"""A mesh of devices changes where parameters lie, and no number."""

import os
import subprocess
import sys

SPREAD = """
import sys, tempfile, pathlib
import numpy as np
sys.path.insert(0, sys.argv[1])
more = dict(num_epochs=1, max_seqs=4, network={"output": {"class": "softmax", "loss": "ce", "from": "data"}})
found = []
for devices in (1, 4):
    folder = pathlib.Path(tempfile.mkdtemp())
    import tests.training.engine.small as t
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


SHARDED = """
import os, pathlib, sys, tempfile
import jax, numpy as np
sys.path.insert(0, sys.argv[1])
from tenure.training.engine.training import Training
from tenure.training.errors import ConfigError
from tests.training.engine.small import Log, small, tasks, values
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
