"""The tool that replays: a case made here passes, and fails in the right part when something recorded is changed."""

import copy
import json

import numpy as np
import pytest

from tenure.returnn.replay import Case, check, load
from tenure.returnn.replay.__main__ import main
from tenure.returnn.replay.compare import same_values, tolerance
from tenure.returnn.replay.report import out_of_scope
from tenure.returnn.replay.tagged import OpaqueValueError, decode

RNG = np.random.RandomState(0)
X, W, B = RNG.randn(2, 3, 4), RNG.randn(4, 2), RNG.randn(2)
LABELS, LENGTHS = np.array([[0, 1, 1], [1, 0, 0]], "int32"), np.array([3, 2], "int32")


def ref(name, array):
    return {"array": name, "shape": list(array.shape), "dtype": str(array.dtype)}


def made():
    """A softmax layer with cross entropy, as if recorded."""
    x, w, b = (a.astype("float32") for a in (X, W, B))
    logits = x @ w + b
    probs = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    keep = np.arange(3) < LENGTHS[:, None]
    loss = -np.log(np.take_along_axis(probs, LABELS[..., None], -1)[..., 0])[keep].sum()
    by_logits = (probs - np.eye(2)[LABELS]) * keep[..., None]
    arrays = {
        "x": x, "w": w, "b": b, "y": probs.astype("float32"), "c": LABELS, "n": LENGTHS,
        "gw": np.einsum("btf,btn->fn", x, by_logits).astype("float32"), "gb": by_logits.sum((0, 1)).astype("float32"),
    }  # fmt: skip
    batch, time = (
        {"dim": "o0", "kind": "batch"},
        {"dim": "o1", "kind": "spatial", "seq_lens": "s0", "size_dims": ["batch"]},
    )
    axes = {"batch_dim_axis": 0, "time_dim_axis": 1}
    dense = {"dtype": "float32", "sparse": False, **axes, "feature_dim_axis": 2}
    sparse = {"dtype": "int32", "sparse": True, **axes, "feature_dim_axis": None}
    data = {
        "id": "made#0",
        "behavior_version": 30,
        "train_flag": False,
        "eval_flag": True,
        "search_flag": False,
        "classes": ["softmax"],
        "flags": [],
        "net_dict": {"output": {"class": "softmax", "from": "data", "loss": "ce", "target": "classes"}},
        "default_input": "data",
        "default_target": "classes",
        "dims": {
            "d0": {"special": "batch_dim", "name": "batch", "kind": "batch", "size": None},
            "d1": {"name": "time", "kind": "spatial", "size": None},
            "d2": {"name": "in", "kind": "feature", "size": 4},
            "d3": {"name": "classes", "kind": "feature", "size": 2},
        },
        "out_dims": {"o0": {"user_dims": ["d0"]}, "o1": {"user_dims": ["d1"]}, "o2": {"user_dims": ["d2"]}, "o3": {}},
        "extern_data": {
            "data": {**dense, "dims": ["d0", "d1", "d2"]},
            "classes": {**sparse, "dims": ["d0", "d1"], "sparse_dim": "d3"},
        },
        "inputs": {
            "data": {"value": ref("x", x), "template": {"dims": [batch, time, {"dim": "o2", "kind": "feature", "size": 4}]}},
            "classes": {"value": ref("c", LABELS), "template": {"dims": [batch, time]}},
        },
        "sizes": {"s0": ref("n", LENGTHS)},
        "params": [
            {"name": "output/W", "shape": [4, 2], "value": ref("w", w)},
            {"name": "output/b", "shape": [2], "value": ref("b", b)},
        ],
        "layers": {
            "output": {
                "class": "softmax",
                "abs_name": "output",
                "status": "ok",
                "output": {**dense, "dims": [batch, time, {"dim": "o3", "kind": "feature", "size": 2}]},
                "value": ref("y", arrays["y"]),
            }
        },
        "losses": {"output": {"class": "ce", "loss": float(loss), "norm_factor": 1 / 5}},
        "total_loss": float(loss),
        "total_objective": float(loss),
        "grads": {"output/W": ref("gw", arrays["gw"]), "output/b": ref("gb", arrays["gb"])},
    }  # fmt: skip
    return data, arrays


def test_a_true_record_passes():
    verdict = check(Case(*made()))
    assert verdict.passed, verdict.problems
    assert verdict.layers == (1, 1)


def test_what_is_beyond_the_lengths_does_not_count():
    data, arrays = made()
    arrays["y"][1, 2] = 7
    assert check(Case(data, arrays)).passed


def change_value(data, arrays):
    arrays["y"][0, 0, 0] += 0.01


def change_dim(data, arrays):
    data["layers"]["output"]["output"]["dims"][2]["size"] = 3


def change_loss(data, arrays):
    data["losses"]["output"]["loss"] *= 1.001


def change_gradient(data, arrays):
    arrays["gb"][0] += 0.1


def more_params(data, arrays):
    data["params"].append({"name": "output/V", "shape": [2], "value": ref("b", arrays["b"])})


def other_shape(data, arrays):
    data["params"][1] = {"name": "output/b", "shape": [3], "value": ref("b", np.zeros(3))}


def other_class(data, arrays):
    data["net_dict"]["output"]["class"] = "softmx"


@pytest.mark.parametrize(
    "change, part",
    [
        (change_value, "layers"),
        (change_dim, "layers"),
        (change_loss, "losses"),
        (change_gradient, "grads"),
        (more_params, "params"),
        (other_shape, "params"),
        (other_class, "constructs"),
    ],
)
def test_a_changed_record_fails_in_its_part(change, part):
    data, arrays = made()
    change(data, arrays)
    verdict = check(Case(data, arrays))
    assert verdict.parts[part] is False and not verdict.passed
    assert verdict.problems[0].startswith(part)


def test_refusals_must_be_refused():
    data, _ = made()
    error = {**data, "kind": "error", "expected_error": {"message": "no"}}
    assert not check(Case(error, {})).passed
    assert check(Case({**error, "flags": ["returnn_weakness"]}, {})).passed
    wrong = copy.deepcopy(error)
    wrong["net_dict"]["output"]["from"] = "nope"
    assert check(Case(wrong, {})).passed


def test_the_command(tmp_path, capsys):
    data, arrays = made()
    (tmp_path / "a.json").write_text(json.dumps(data))
    np.savez(tmp_path / "a.npz", **arrays)
    other = copy.deepcopy(data) | {"id": "other#0"}
    other["losses"]["output"]["loss"] = 0.0
    (tmp_path / "b.json").write_text(json.dumps(other))
    np.savez(tmp_path / "b.npz", **arrays)
    trained = {"id": "steps#0", "kind": "train_steps", "net_dict": {}, "flags": []}
    (tmp_path / "c.json").write_text(json.dumps(trained))
    assert main([str(tmp_path), "--json", str(tmp_path / "out.txt")]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == "replay: 1 of 2 cases pass"
    assert any("(d) losses" in line and "1 of 2" in line for line in printed)
    written = json.loads((tmp_path / "out.txt").read_text())
    assert written["passed"] == 1 and written["parts"]["grads"] == 2
    assert main([str(tmp_path), "--id", "made", "-q"]) == 0
    assert repr(load(tmp_path / "a.json")) == "Case(made#0)"


def test_values():
    assert same_values(np.array([1, 2]), np.array([1, 3]), 1, 1).startswith("1 of 2")
    assert same_values(np.array([np.nan, np.inf]), np.array([np.nan, np.inf]), 1e-4, 1e-5) == ""
    assert same_values(np.array([0.0]), np.array([np.inf]), 1e-4, 1e-5) != ""
    assert tolerance(["rec"], 10) < tolerance(["rec"], 30)


def test_scope():
    assert out_of_scope({"flags": ["train_steps"]}) == "train_steps"
    assert out_of_scope({"flags": ["search", "rec"]}) == ""


def test_tagged_values():
    assert decode(
        {"__type__": "dict", "v": [[{"__type__": "tuple", "v": [1]}, {"__type__": "float", "v": "nan"}]]}, {}
    ).keys() == {(1,)}
    assert decode({"__type__": "ndarray", "dtype": "int32", "shape": [1, 2], "v": [1, 2]}, {}).tolist() == [[1, 2]]
    assert decode({"__type__": "function", "name": "f", "source": "lambda x: x + 1"}, {})(1) == 2
    with pytest.raises(OpaqueValueError):
        decode({"__type__": "opaque", "repr": "?"}, {})


def test_the_folder_around_the_cases_and_one_without_any(tmp_path, capsys):
    data, arrays = made()
    cases = tmp_path / "cases"
    cases.mkdir()
    (cases / "a.json").write_text(json.dumps(data))
    np.savez(cases / "a.npz", **arrays)
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "replay: 1 of 1 cases pass"
    assert main([str(tmp_path / "nothing")]) == 2
    told = capsys.readouterr()
    assert "there are no recorded cases" in told.err and "replay:" not in told.out
