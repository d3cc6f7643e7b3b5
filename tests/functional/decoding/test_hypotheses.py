import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional.decoding import hypotheses
from tenure.functional.decoding.hypotheses import NEVER, Labels

ROOM = 4


def of(*sequences):
    """Labels that say these sequences."""
    labels = np.array([[*s, *[0] * (ROOM - len(s))] for s in sequences], np.int32)
    shared = [[len(os.path.commonprefix([a, b])) for b in sequences] for a in sequences]
    return Labels(
        *map(jnp.asarray, (labels[None], np.array([[len(s) for s in sequences]], np.int32), np.array([shared])))
    )


@pytest.mark.parametrize(
    ("parent", "label", "extended", "wanted"),
    [
        ([0, 1, 2], [3, 0, 3], [1, 0, 1], [[1, 2, 3], [1, 2], [1, 3]]),
        ([1, 0, 0], [4, 9, 2], [1, 0, 1], [[1, 2, 4], [1, 2], [1, 2, 2]]),
        ([2, 2, 1], [2, 5, 1], [1, 1, 0], [[1, 2], [1, 5], [1, 2]]),
    ],
)
def test_grown_says_how_many_labels_each_two_start_with_in_common(parent, label, extended, wanted):
    grow = jax.jit(lambda labels, *new: labels.grown(*new))
    found = grow(of([1, 2], [1, 2], [1]), *map(np.array, ([parent], [label], [np.array(extended, bool)])))
    expected = of(*wanted)
    np.testing.assert_array_equal(found.lengths, expected.lengths)
    np.testing.assert_array_equal(found.labels, expected.labels)
    between = ~np.eye(3, dtype=bool)
    np.testing.assert_array_equal(found.shared[0][between], expected.shared[0][between])


def test_continued_finds_the_prefix_that_lacks_one_label():
    labels = of([1, 2, 3], [1, 2], [1])
    source, there = labels.continued(jnp.asarray([[True, True, True]]))
    np.testing.assert_array_equal(there, [[True, True, False]])
    np.testing.assert_array_equal(source[0, :2], [1, 2])
    _, there = labels.continued(jnp.asarray([[True, False, True]]))
    np.testing.assert_array_equal(there, [[False, False, False]])


def test_merged_adds_up_both_ways_to_a_hypothesis_and_leaves_one():
    labels = of([1], [1, 2])
    stay, extend = jnp.log(jnp.asarray([[0.1, 0.2]])), jnp.log(jnp.full((1, 2, 3), 0.05))
    stayed, continued = hypotheses.merged(labels, jnp.asarray([[True, True]]), stay, extend)
    np.testing.assert_allclose(jnp.exp(stayed), [[0.1, 0.25]], rtol=1e-5)
    np.testing.assert_array_equal(continued == NEVER, [[[False, False, True], [False, False, False]]])


def test_best_takes_staying_and_continuing_by_rank():
    stay = jnp.asarray([[-1.0, -9.0]])
    extend = jnp.asarray([[[-8.0, -7.0, -6.0], [-0.5, -4.0, -3.0]]])
    found = hypotheses.best(stay, extend)
    np.testing.assert_array_equal(found.parent, [[1, 0]])
    np.testing.assert_array_equal(found.extended, [[True, False]])
    np.testing.assert_array_equal(found.label, [[0, 0]])
    ended = found.where(jnp.asarray([[False]]))
    np.testing.assert_array_equal(ended.parent, [[0, 1]])
    assert not ended.extended.any()


def test_one_hypothesis_is_real_at_the_start():
    np.testing.assert_array_equal(hypotheses.first_alive(2, 3), [[0, NEVER, NEVER]] * 2)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [((0, 1, 0, 5), "beam is 0"), ((2, 3, 0, 5), "best is 3"), ((2, 2, 5, 5), "the blank is 5, .* 0 to 4")],
)
def test_numbers_that_do_not_fit_together(numbers, message):
    with pytest.raises(ValueError, match=message):
        hypotheses.check(*numbers)
    hypotheses.check(2, 3, 0, 5, many=True)
