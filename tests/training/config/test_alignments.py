"""Alignments of labels at equal distances: against RETURNN's own examples, and one label after the other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.training.config.alignments import linear_alignment
from tenure.training.errors import ConfigError

B = 9  # blank


def one(frames, labels, **options):
    found, lengths = linear_alignment(
        jnp.array([frames]), jnp.array([labels]), jnp.array([len(labels)]), blank_label_idx=B, **options
    )
    return found[0].tolist()[: int(lengths[0])]


@pytest.mark.parametrize(
    "frames, labels, wanted",
    [
        (4, [1, 2, 3], [B, 1, B, 2, B, 3, B]),
        (0, [1, 2, 3], [1, 2, 3]),
        (4, [1], [B, B, 1, B, B]),
        (3, [1, 2], [B, 1, B, 2, B]),
    ],
)
def test_labels_that_take_no_frame(frames, labels, wanted):
    """The examples that RETURNN's documentation gives."""
    assert one(frames, labels) == wanted


def test_labels_that_take_frames_and_those_for_which_there_is_none():
    assert one(5, [1, 2], targets_consume_time=True) == [B, 1, B, 2, B]
    assert one(2, [1, 2, 3], targets_consume_time=True) == [1, 2]


def test_a_batch_of_several_lengths():
    frames, lengths = jnp.array([5, 3]), jnp.array([2, 1])
    found, steps = linear_alignment(frames, jnp.array([[1, 2], [3, 4]]), lengths, B, targets_consume_time=True)
    np.testing.assert_array_equal(found, [[B, 1, B, 2, B], [B, 3, B, 0, 0]])
    np.testing.assert_array_equal(steps, frames)


def test_lengths_that_are_computed_are_refused():
    """A compiled program cannot make an array as long as a number that it computes."""
    from tenure.network import sizes

    def align(frames):
        return linear_alignment(frames * 2, jnp.array([[1]]), jnp.array([1]), B)[0]

    with sizes.use(sizes.Sizes()), pytest.raises(ConfigError, match="nobody knows how many steps"):
        jax.jit(align)(jnp.array([3]))
