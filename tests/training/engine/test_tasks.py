"""Tasks other than training: what they write, and how good they say that it is."""

import ast
import io
import json

import numpy as np
import pytest

from tenure.core.errors import TenureError
from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.engine.models import read
from tenure.training.engine.training import Training
from tenure.training.errors import ConfigError, OrderError
from tests.cli.process import tenure, write
from tests.training.engine.test_training import NET, config

h5py = pytest.importorskip("h5py")
BEST = {
    "class": "reduce",
    "mode": "argmax",
    "axis": "f",
    "from": "output",
    "target": "classes",
    "is_output_layer": True,
}
STATIC = [{"data": np.eye(9, dtype="float32")[:n], "classes": np.arange(n, dtype="int32") % 2} for n in (3, 5, 4)]
DATA = {"class": "StaticDataset", "data": STATIC, "output_dim": {"data": [9, 2], "classes": [2, 1]}}
NO_TARGETS = {"class": "StaticDataset", "data": [{"data": s["data"]} for s in STATIC], "output_dim": {"data": [9, 2]}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    tasks.run(config(folder, num_epochs=1), Log(0))
    return folder


def said(folder, verbosity=3, **more):
    out = io.StringIO()
    tasks.run(config(folder, **more), Log(verbosity, out=out))
    return out.getvalue()


@pytest.mark.parametrize("form", ["txt", "py"])
def test_search_writes_hypotheses_and_scores_them(trained, tmp_path, form):
    out = {"search_output_file": f"{tmp_path}/hyps", "search_scores_file": f"{tmp_path}/scores"}
    net = {**NET, "best": BEST}
    more = dict(
        task="search", network=net, search_data=DATA, search_output_layer="best", search_output_file_format=form
    )
    text = said(trained, 4, **more, **out)
    written = (tmp_path / "hyps").read_text()
    found = list(ast.literal_eval(written).values()) if form == "py" else written.splitlines()
    assert [len(line.split()) for line in found] == [3, 5, 4]
    assert "  ref: 0 1 0 1 0" in text and "  hyp: " in text
    wrong = sum(int(label) != i % 2 for line in found for i, label in enumerate(line.split()))
    scores = json.loads((tmp_path / "scores").read_text())
    assert 0 < scores["wer"] <= 100 * wrong / 12 + 1e-9  # at most the labels that differ
    assert scores["sequences"] == 3 and f"WER {scores['wer']:.2f}%" in text


def test_a_search_without_targets_says_so_and_searches(trained, tmp_path):
    more = dict(task="search", network={**NET, "best": BEST}, search_data=NO_TARGETS, search_output_layer="best")
    assert "Search scores" not in said(trained, search_do_eval=False, **more)


def test_a_search_for_what_is_no_label_is_refused(trained, tmp_path):
    more = dict(task="search", search_data=DATA, search_output_file=f"{tmp_path}/hyps")
    with pytest.raises(
        ConfigError, match=r"(?s)search_output_layer is 'output', which gives .* and no labels.*'decide'"
    ):
        said(trained, **more)
    with pytest.raises(TenureError, match="the layer 'bets' was asked for"):
        said(trained, **more, network={**NET, "best": {**BEST, "is_output_layer": False}}, search_output_layer="bets")
    said(trained, **more, network={**NET, "best": {**BEST, "is_output_layer": False}}, search_output_layer="best")
    assert [len(line.split()) for line in (tmp_path / "hyps").read_text().splitlines()] == [3, 5, 4]


def test_layers_that_dump_write_what_they_are_given(trained, tmp_path):
    dump = {"class": "hdf_dump", "from": "output", "filename": f"{tmp_path}/out.hdf", "is_output_layer": True}
    labels = {**dump, "from": "best", "filename": f"{tmp_path}/{{dataset_name}}.hdf", "dump_per_run": True}
    net = {**NET, "best": BEST, "dump": dump, "labels": labels}
    said(trained, task="eval", network=net, dev=DATA)
    with h5py.File(tmp_path / "out.hdf") as a, h5py.File(tmp_path / "dev.hdf") as b:
        assert a["seqLengths"][:, 0].tolist() == [3, 4, 5] and a["inputs"].shape == (12, 2)
        np.testing.assert_array_equal(a["inputs"][()].argmax(-1), b["inputs"][()])
    (tmp_path / "out.hdf").unlink()
    said(trained, task="forward", network=net, eval=NO_TARGETS, output_file=f"{tmp_path}/all.hdf")
    with h5py.File(tmp_path / "out.hdf") as a, h5py.File(tmp_path / "all.hdf") as b:
        np.testing.assert_array_equal(a["inputs"][()], b["inputs"][()])


def test_data_without_sequences_are_called_by_their_name(tmp_path):
    with pytest.raises(OrderError, match=r"the data set 'train' \(Task12AX\) has no sequences"):
        said(tmp_path, train={"class": "Task12AXDataset", "num_seqs": 0})


def test_nop_reads_the_config_and_writes_nothing(tmp_path):
    assert said(tmp_path, task="nop") == "" and not list(tmp_path.iterdir())


def test_initialize_model_saves_what_a_training_starts_from(tmp_path):
    said(tmp_path, task="initialize_model")
    (made,) = (tmp_path / "net").glob("model.*")
    assert made.name == "model.000" and read(made)["output/W"].shape
    more = {"model": f"{tmp_path}/other/model", "import_model_train_epoch1": str(made), "random_seed": 7}
    training = Training(config(tmp_path, **more), Log(0))
    training.start()
    np.testing.assert_array_equal(training.state.params["output"]["W"], read(made)["output/W"])


def test_analyze_tells_statistics_of_frames(trained):
    text = said(trained, task="analyze", sil_label_idx=0, dev=DATA, dropout=0)
    told = dict(line.removeprefix("stats:").split(": ", 1) for line in text.splitlines() if line.startswith("stats:"))
    assert (told["seq_length"], told["seq_length_sil"], told["seq_length_no_sil"]) == ("12", "7", "5")
    parts = (7 * float(told["loss_ce_sil"]) + 5 * float(told["loss_ce_no_sil"])) / 12
    assert float(told["loss_ce"]) == pytest.approx(parts, rel=1e-5)
    score = next(line for line in text.splitlines() if line.startswith("analyze: score"))
    assert float(score.split()[2]) == pytest.approx(float(told["loss_ce"]), rel=1e-5)


@pytest.mark.slow
def test_the_commands_are_the_tasks(tmp_path):
    name = write(tmp_path, f"network['best'] = {BEST}\nsearch_output_layer = 'best'\n")
    assert tenure("train", name, folder=tmp_path).returncode == 0
    evaluated = tenure("eval", name, folder=tmp_path)
    assert evaluated.returncode == 0 and "dev: score" in evaluated.stdout, evaluated.stderr
    searched = tenure("search", name, "++search_data", "config:dev", folder=tmp_path)
    assert searched.returncode == 0 and "WER" in searched.stdout, searched.stderr
    forwarded = tenure("forward", name, "++forward_data", "dev", "++output_file", "o.hdf", folder=tmp_path)
    assert forwarded.returncode == 0 and (tmp_path / "o.hdf").exists(), forwarded.stderr
    nothing = tenure("search", folder=tmp_path)
    assert nothing.returncode == 1 and "tenure search needs a config" in nothing.stderr


@pytest.mark.parametrize("way", ["preload_from_files", "load_on_init"])
def test_a_language_model_that_only_the_search_has_is_loaded_beside_the_trained_values(way, trained, tmp_path):
    """Shallow fusion: the trained network's checkpoint has nothing of the model, which comes from a file of its own."""
    lm = {"output": {"class": "softmax", "loss": "ce", "from": "data"}}
    tasks.run(config(tmp_path, num_epochs=1, network=lm), Log(0))
    fused = {"class": "combine", "kind": "mul", "from": ["output", "lm_output"], "only_on_search": True}
    file, model = str(tmp_path / "net" / "model.001"), {"class": "softmax", "n_out": 2, "from": "data"}
    if way == "load_on_init":
        model = {"class": "subnetwork", "from": "data", "load_on_init": file, "subnetwork": {"output": model}}
    net = {
        **NET,
        "lm_output": {**model, "only_on_search": True},
        "fused": fused,
        "best": {**BEST, "from": "fused", "only_on_search": True},
    }
    of = {"lm": {"filename": file, "prefix": "lm_"}} if way == "preload_from_files" else {}
    more = dict(
        search_data=DATA, search_output_layer="best", search_output_file=f"{tmp_path}/hyps", preload_from_files=of
    )
    said(trained, task="search", network=net, **more)
    values, lm = read(trained / "net" / "model.001"), read(tmp_path / "net" / "model.001")
    for line, seq in zip((tmp_path / "hyps").read_text().splitlines(), STATIC, strict=True):
        hidden = np.tanh(seq["data"] @ values["h/W"] + values["h/b"])
        scores = [hidden @ values["output/W"] + values["output/b"], seq["data"] @ lm["output/W"] + lm["output/b"]]
        probs = [np.exp(s) / np.exp(s).sum(-1, keepdims=True) for s in scores]
        assert [int(x) for x in line.split()] == (probs[0] * probs[1]).argmax(-1).tolist()
