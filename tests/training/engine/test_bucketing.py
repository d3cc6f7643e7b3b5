"""Batches padded to few shapes: what training computes stays the same, and what is compiled is told."""

import re

import numpy as np
import pytest

from tenure.training.errors import BatchError
from tests.training.engine.padded import lines, run


def test_padding_changes_no_number(tmp_path):
    exact, log = run(tmp_path / "exact", buckets="exact")
    few, told = run(tmp_path / "few", buckets=4)
    for name in exact:
        np.testing.assert_allclose(few[name], exact[name], rtol=2e-4, atol=1e-6, err_msg=name)
    scores = [
        [
            float(v)
            for v in re.findall(
                r"'(?:dev|train)_score': (?:np\.float32\()?([\d.]+)", (tmp_path / n / "rates").read_text()
            )
        ]
        for n in ("exact", "few")
    ]
    assert len(scores[0]) == 4
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-5)
    assert len(lines(told, "a new shape")) < len(lines(log, "a new shape"))


def test_declared_buckets_refuse_a_batch_by_its_sequences(tmp_path):
    good = {"buckets": [{"data": 20, "classes": 20, "rows": 5}, {"data": 40, "classes": 40, "rows": 4}]}
    _, log = run(tmp_path / "good", **good)
    assert {found[1] for found in lines(log, "training of")} == {"20", "40"} and not lines(log, "a new shape")
    with pytest.raises(BatchError, match=r"(?s)fits in none of the 1 declared buckets.*'seq-\d+'"):
        run(tmp_path / "small", buckets=[{"data": 20, "classes": 20}])
    with pytest.raises(BatchError, match="says nothing of the stream 'classes'"):
        run(tmp_path / "wrong", buckets=[{"data": 20}])
    with pytest.raises(BatchError, match="no list of shapes"):
        run(tmp_path / "words", buckets="many")
