"""BLEU, against counting by hand, and as a loss that is only reported."""

import collections
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure import TenureError
from tenure.network.losses.bleu import bleu
from tests.network.layers.running import LABELS, LENGTHS, run


def counted(a, b):
    """Modified n-gram precisions with `collections.Counter`."""
    logs, smooth = 0.0, 1.0
    for n in range(1, 5):
        grams = [collections.Counter(tuple(x[i : i + n]) for i in range(len(x) - n + 1)) for x in (a, b)]
        total, hits = sum(grams[0].values()), sum((grams[0] & grams[1]).values())
        if total:
            smooth = smooth if hits else smooth * 2
            logs += math.log((hits or 1 / smooth) / total)
    if not a:
        return 0.0
    return math.exp(logs / 4) * min(1.0, math.exp(1 - len(b) / len(a)))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 2), max_size=8), st.lists(st.integers(0, 2), min_size=1, max_size=8))
def test_one_sequence(a, b):
    padded = [np.pad(np.array(x, int), (0, 9 - len(x)), constant_values=1)[None] for x in (a, b)]
    found = bleu(padded[0], np.array([len(a)]), padded[1], np.array([len(b)]))
    assert np.allclose(found, counted(a, b), rtol=1e-5)


def test_as_a_loss():
    net = {
        "flip": {"class": "eval", "from": "data:classes", "eval": "tf.minimum(source(0), 2)"},
        "output": {"class": "copy", "from": "flip", "loss": "bleu", "target": "classes"},
    }
    result, _ = run(net)
    loss = result.losses["output"]
    wanted = sum(counted(np.minimum(r[:n], 2).tolist(), r[:n].tolist()) for r, n in zip(LABELS, LENGTHS, strict=True))
    assert loss.loss is None and np.allclose(loss.error, -wanted, rtol=1e-5) and float(result.objective) == 0


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("bleu", "labels"),
        ("search_score", "search"),
        ("expected_loss", "search"),
        ("sprint", "RASR"),
        ("fast_bw", "RASR"),
    ],
)
def test_losses_that_this_output_has_not(loss, words):
    with pytest.raises(TenureError, match=words):
        run({"output": {"class": "softmax", "from": "data", "n_out": 4, "loss": loss, "target": "classes"}})
