"""What a network of CTC says, against enumeration of all paths."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.network.losses import decode
from tests.network.losses.paths import make, spoken


def decoded(log_probs, width):
    labels, lengths = decode.beam(jnp.asarray(log_probs)[None], jnp.array([len(log_probs)]), 2, width)
    return labels[0, : int(lengths[0])].tolist()


@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_the_most_probable_labels(seed):
    log_probs = make(seed, batch=1, t=4, n=3)[0][0]
    totals = {}
    for path in itertools.product(range(3), repeat=4):
        key = tuple(spoken(path, 2, True))
        totals[key] = np.logaddexp(totals.get(key, -np.inf), sum(log_probs[i, a] for i, a in enumerate(path)))
    assert decoded(log_probs, 64) == list(max(totals, key=totals.get))


def test_decoding_inside_of_a_compiled_program():
    logits = jnp.log(jax.nn.one_hot(jnp.array([[0, 0, 2, 0, 1]]), 3) * 0.9 + 0.03)
    for decoder in (decode.greedy, lambda x, n, blank: decode.beam(x, n, blank, 10)):
        labels, lengths = jax.jit(lambda x, n, d=decoder: d(x, n, 2))(logits, jnp.array([5]))
        assert labels[0, : int(lengths[0])].tolist() == [0, 0, 1]


def test_equal_neighbours_with_a_blank_between_stay_two_as_in_tensorflow():
    log_probs = np.log(np.asarray(jax.nn.one_hot(jnp.array([0, 2, 0]), 3)) * 0.9 + 0.03)
    assert decoded(log_probs, 10) == [0, 0]
