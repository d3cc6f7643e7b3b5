"""Recorded engine cases: JSON lines with tagged values, and arrays beside them."""

import json
import math

import numpy as np

from tenure.returnn.engine_replay.cases import Source, cases, decode, topics


def test_tagged_values():
    arrays = {"a": np.arange(3)}
    assert decode({"__tuple__": [1, {"__set__": [2]}]}, {}) == (1, {2})
    assert decode({"__dict__": [[1, "a"]]}, {}) == {1: "a"} and math.isnan(decode({"__float__": "nan"}, {}))
    assert (
        decode({"__bytes__": "00ff"}, {}) == b"\x00\xff" and decode({"x": {"__npz__": "a"}}, arrays)["x"] is arrays["a"]
    )
    found = decode({"__array__": [1, {"__float__": "inf"}], "dtype": "float32", "shape": [2, 1]}, {})
    assert found.dtype == np.float32 and found.tolist() == [[1], [math.inf]]
    assert decode({"__strings__": ["a", "b"], "shape": [2]}, {}).tolist() == ["a", "b"]
    assert type(decode({"__python__": "lambda: 1"}, {})) is Source


def test_topics_are_folders_with_cases(tmp_path):
    (tmp_path / "b").mkdir()
    rows = [
        {"id": "b/1", "inputs": {"x": {"__npz__": "w"}}, "expected": {}},
        {"id": "b/2", "kind": "k", "files": ["f"]},
    ]
    (tmp_path / "b" / "cases.jsonl").write_text("\n".join(map(json.dumps, rows)))
    np.savez(tmp_path / "b" / "arrays.npz", w=np.ones(2))
    (tmp_path / "none").mkdir()
    assert topics(tmp_path) == ["b"]
    one, two = cases(tmp_path, "b")
    assert one.inputs["x"].tolist() == [1, 1] and (two.id, two.kind, two.files, two.inputs) == ("b/2", "k", ["f"], {})
