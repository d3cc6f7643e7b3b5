"""The task search: what it writes, and how good it says that this is."""

import ast
import gzip
import json

import numpy as np
import pytest

from tenure.core.errors import TenureError
from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.engine.models import read
from tenure.training.errors import ConfigError
from tests.training.engine.small import NET, config
from tests.training.engine.told import BEST, DATA, NO_TARGETS, STATIC, said


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


def test_a_search_writes_several_layers(trained, tmp_path):
    net, layers = {**NET, "best": BEST, "again": {**BEST, "axis": "feature"}}, ["best", "again"]
    more = dict(task="search", network=net, search_data=DATA, search_output_layer=layers)
    said(trained, **more, search_output_file=f"{tmp_path}/hyps.gz", search_output_file_format="py")
    found = ast.literal_eval(gzip.decompress((tmp_path / "hyps.gz").read_bytes()).decode())
    assert list(found) == ["seq-0", "seq-1", "seq-2"]
    assert all(set(of) == set(layers) and of["best"] == of["again"] for of in found.values())
    with pytest.raises(ConfigError, match="need the format py"):
        said(trained, **more)


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


def test_a_network_that_is_only_for_searches_searches(trained, tmp_path):
    """Its loop ends by what it finds, and its choice has no target: nothing that could be trained."""
    loop = {
        "output": {"class": "choice", "from": "prob", "target": None, "beam_size": 2, "input_type": "prob"},
        "prob": {"class": "softmax", "n_out": 2, "from": ["prev:prob", "base:first"]},
        "end": {"class": "compare", "from": "output", "value": 0},
    }
    net = {
        "h": NET["h"],
        "first": {"class": "reduce", "mode": "mean", "axis": "T", "from": "h"},
        "loop": {"class": "rec", "from": [], "unit": loop, "target": None, "max_seq_len": 4},
        "best": {"class": "decide", "from": "loop", "is_output_layer": True},
    }
    more = dict(network=net, search_data=NO_TARGETS, search_output_layer="best", search_do_eval=False)
    out = dict(search_output_file=f"{tmp_path}/hyps", allow_random_model_init=True)
    said(tmp_path, task="search", **more, **out)
    assert len((tmp_path / "hyps").read_text().splitlines()) == 3
