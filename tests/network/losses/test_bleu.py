"""BLEU, against counting by hand, and as a loss that is only reported."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.network.losses.bleu import bleu
from tests.network.losses.ngrams import counted


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 2), max_size=8), st.lists(st.integers(0, 2), min_size=1, max_size=8))
def test_one_sequence(a, b):
    padded = [np.pad(np.array(x, int), (0, 9 - len(x)), constant_values=1)[None] for x in (a, b)]
    found = bleu(padded[0], np.array([len(a)]), padded[1], np.array([len(b)]))
    assert np.allclose(found, counted(a, b), rtol=1e-5)
