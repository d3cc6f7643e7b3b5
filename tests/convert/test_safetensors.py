"""Safetensors: what the library writes is read, and the library reads what is written."""

import json

import numpy as np
import pytest

from tenure import convert
from tenure.convert import FileError, Weights, held
from tests.convert.compared import same
from tests.convert.samples import arrays, weights


def test_safetensors_of_the_library(tmp_path):
    from safetensors.numpy import load_file, save_file

    save_file(arrays_plain := {n: v for n, v in arrays().items() if n != "brain/w"}, tmp_path / "theirs.safetensors")
    found = convert.read(tmp_path / "theirs.safetensors")
    for name, value in arrays_plain.items():
        same(found[name], value)
    convert.write(tmp_path / "ours.safetensors", weights())
    theirs = load_file(tmp_path / "ours.safetensors")
    for name, value in arrays_plain.items():
        same(theirs[name], value)


def test_several_safetensors_by_an_index(tmp_path):
    convert.write(tmp_path / "a.safetensors", Weights("", "", {"x": held(np.ones(2))}))
    convert.write(tmp_path / "b.safetensors", Weights("", "", {"y": held(np.zeros(3))}))
    index = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert convert.read(tmp_path)["y"].tolist() == [0, 0, 0]
    index["weight_map"]["y"] = "../b.safetensors"
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(FileError, match="weight_map"):
        convert.read(tmp_path)
