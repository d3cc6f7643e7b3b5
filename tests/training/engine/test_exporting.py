"""Networks that are exported: another process runs them without the config, for any number of sequences of any length."""

import json
import subprocess
import sys
import zipfile

import jax
import numpy as np
import pytest

from tenure.training import load_exported
from tenure.training.engine import tasks
from tenure.training.engine.exporting import export
from tenure.training.engine.learner import Learner
from tenure.training.engine.log import Log
from tenure.training.errors import ConfigError, TrainingError
from tests.training.engine.small import config

NET = {
    "e": {"class": "linear", "activation": None, "n_out": 6, "from": "data"},
    "bw": {"class": "rec", "unit": "lstm", "n_out": 6, "direction": -1, "from": "e"},
    "output": {
        "class": "rec",
        "from": "bw",
        "target": "classes",
        "unit": {
            "s": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 6, "from": ["data:source", "prev:label"]},
            "label": {"class": "linear", "activation": None, "n_out": 3, "from": "output", "initial_output": 0},
            "prob": {"class": "softmax", "from": "s", "target": "classes", "loss": "ce"},
            "output": {"class": "choice", "from": "prob", "target": "classes", "beam_size": 2, "initial_output": 0},
        },
    },
    "decision": {
        "class": "decide",
        "from": "output",
        "target": "classes",
        "is_output_layer": True,
        "only_on_search": True,
    },
    "seen": {"class": "softmax", "n_out": 2, "from": "bw", "is_output_layer": True},
}
READER = """
import json, sys
import numpy as np
from tenure.training import load_exported
network = load_exported(sys.argv[1])
found = {}
for rows, time in ((2, 7), (3, 11)):
    data = np.sin(np.arange(rows * time * 9, dtype="float32")).reshape(rows, time, 9)
    lengths = np.arange(rows) + time - rows + 1
    for name, output in network({"data": (data, lengths)}).items():
        found[f"{name} {rows}"] = [row.tolist() for row in output.rows()]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    given = config(folder, network=NET)
    tasks.run({**given, "task": "initialize_model"}, Log(0))
    return Learner(given, Log(0)), folder


def exported(model, **options):
    learner, folder = model
    path = folder / "a.exported"
    export(learner, path, **options)
    return path


@pytest.mark.parametrize(
    "search, layers", [(False, ("seen", "e")), pytest.param(True, ("decision",), marks=pytest.mark.slow)]
)
def test_another_process_gets_the_same_numbers_for_all_sizes(model, search, layers):
    path = exported(model, layers=layers, search=search)
    assert set(load_exported(path).inputs) == {"data"}
    done = subprocess.run([sys.executable, "-c", READER, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    learner, _ = model
    for rows, time in ((2, 7), (3, 11)):
        data = np.sin(np.arange(rows * time * 9, dtype="float32")).reshape(rows, time, 9)
        lengths = np.arange(rows) + time - rows + 1
        batch = {"data": (data, lengths), "classes": (np.zeros((rows, time), "int32"), lengths)}
        result, _ = learner.network.apply(
            *(learner.state.params, learner.state.state, None, batch),
            losses=False, search=search, layers=layers,
        )  # fmt: skip
        for layer in layers:
            x = result.outputs[layer]
            axis = next(i for i, d in enumerate(x.dims) if d.is_batch)
            wanted = np.moveaxis(jax.device_get(x.data), axis, 0)
            for row, own, n in zip(found[f"{layer} {rows}"], wanted, lengths, strict=True):
                np.testing.assert_allclose(row, own[:n], atol=1e-6)


def test_what_does_not_fit_is_told(model):
    network = load_exported(exported(model, layers=("seen",)))
    data = np.zeros((2, 5, 9), "float32")
    assert network({"data": data})["seen"].lengths.tolist() == [5, 5]
    with pytest.raises(TrainingError, match="no input 'dta'"):
        network({"dta": data})
    with pytest.raises(TrainingError, match="'data' is missing"):
        network({})
    with pytest.raises(TrainingError, match=r"shape \(2, 5, 8\), and not \['rows', 'time', 9\]"):
        network({"data": data[..., :8]})
    with pytest.raises(TrainingError, match="lengths that do not fit"):
        network({"data": (data, [5, 6])})


def test_files_that_are_none_are_refused(model, tmp_path):
    path = exported(model, layers=("seen",))
    with pytest.raises(TrainingError, match="there is no file"):
        load_exported(tmp_path / "x")
    (tmp_path / "x").write_bytes(path.read_bytes()[:100])
    with pytest.raises(TrainingError, match="no network that was exported"):
        load_exported(tmp_path / "x")
    with zipfile.ZipFile(tmp_path / "y", "w") as archive:
        archive.writestr("about.json", '{"format": 99}')
    with pytest.raises(TrainingError, match="its format is 99"):
        load_exported(tmp_path / "y")


def test_a_layer_that_there_is_not_is_told(model):
    with pytest.raises(ValueError, match="names 'sen'|'sen'"):
        exported(model, layers=("sen",))


def test_a_network_whose_output_is_its_targets_is_exported_with_its_search_only(tmp_path):
    decoder = {**NET["output"], "from": [], "unit": dict(NET["output"]["unit"])}
    decoder["unit"]["s"] = {**decoder["unit"]["s"], "from": ["base:mean", "prev:label"]}
    mean = {"class": "reduce", "mode": "mean", "axis": "t", "from": "data"}
    given = config(tmp_path, network={"mean": mean, "output": decoder})
    tasks.run({**given, "task": "initialize_model"}, Log(0))
    made = Learner(given, Log(0)), tmp_path
    with pytest.raises(ConfigError, match="(?s)the layer 'output' needs no parameter: without a search, .*--search"):
        exported(made)
    assert load_exported(exported(made, layers=("output",))).inputs.keys() == {"classes"}  # somebody has asked for it
