"""A file of weights, and rules for its names, for the commands to work on."""

import numpy as np
import pytest

from tenure import convert
from tenure.convert import Weights, held

RULES = '[rules]\n"wte" = "embed/embeddings"\n"lm_head | transpose" = "head/w"\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = np.arange(28, dtype="float32").reshape(7, 4)
    convert.write("m.safetensors", Weights("", "", {"wte": held(table)}, {"lm_head": "wte"}))
    (tmp_path / "rules.toml").write_text(RULES)
    return tmp_path
