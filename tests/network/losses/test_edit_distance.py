"""Edit distances, against another way to compute them."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.network.losses.edit_distance import distances


def levenshtein(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), max_size=6))
def test_edit_distance(a, b):
    padded = [np.pad(np.array(x, int), (0, 7 - len(x)), constant_values=9)[None] for x in (a, b)]
    found = distances(padded[0], jnp.array([len(a)]), padded[1], jnp.array([len(b)]))
    assert found.tolist() == [levenshtein(a, b)]
