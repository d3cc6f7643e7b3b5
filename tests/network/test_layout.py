"""Where the entries of sequences lie in an axis: those that count come first."""

import jax.numpy as jnp
import numpy as np
import pytest

from tenure.network import layout
from tests.network.declared import BATCH, DATA, FEATURE, LENGTHS, TIME


def test_turned_round_each_sequence_begins_with_its_end(x):
    found = layout.turned(x, 1).data
    for b, n in enumerate(LENGTHS):
        np.testing.assert_array_equal(found[b, :n], DATA[b, :n][::-1])


def test_padding_becomes_zeros_or_the_last_entry(x):
    zeros, edge = np.asarray(layout.zeroed(x).data), np.asarray(layout.edged(x, 1).data)
    assert (zeros[1, 2:] == 0).all() and (edge[1, 2:] == DATA[1, 1]).all()
    np.testing.assert_array_equal(zeros[0], DATA[0])


@pytest.mark.parametrize("mode", ["reflect", "symmetric", "edge", "wrap"])
def test_entries_around_a_sequence_are_those_of_numpy(x, mode):
    found = layout.extended(x, 1, 1, 1, mode)
    for b, n in enumerate(LENGTHS):
        np.testing.assert_array_equal(found[b, : n + 2], np.pad(DATA[b, :n], ((1, 1), (0, 0)), mode=mode))


def test_joined_parts_follow_each_other(x):
    joined = layout.joined([x.data, 2 * x.data], [TIME, TIME], [BATCH, TIME, FEATURE], 1)
    for b, n in enumerate(LENGTHS):
        np.testing.assert_array_equal(joined[b, : 2 * n], np.concatenate([DATA[b, :n], 2 * DATA[b, :n]]))
        assert (joined[b, 2 * n :] == 0).all()


def test_merged_axes_are_split_again(declared):
    data = jnp.moveaxis(jnp.asarray(DATA), -1, 1)  # [B, F, T]
    dims = [BATCH, FEATURE, TIME]
    merged = layout.merged(data, dims, 1, 2)
    for b, n in enumerate(LENGTHS):
        np.testing.assert_array_equal(merged[b, : 4 * n], np.asarray(data)[b, :, :n].reshape(-1))
    back = layout.split(merged, dims, 1, 2)
    for b, n in enumerate(LENGTHS):
        np.testing.assert_array_equal(back[b, :, :n], data[b, :, :n])
    assert layout.ragged(TIME) and not layout.ragged(FEATURE) and not layout.ragged(BATCH)
