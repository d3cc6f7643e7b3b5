"""How much to pad each spatial axis of a convolution."""

import jax.numpy as jnp
import pytest

from tenure import nn
from tenure.nn import padding
from tests.nn.small import apply


@pytest.mark.parametrize(
    ("pad", "length"), [("valid", 4), ("same", 6), ("full", 8), ("causal", 6), ("reverse_causal", 6)]
)
def test_what_comes_out_is_as_long_as_the_name_says(pad, length):
    x = jnp.ones((1, 6, 2))
    assert apply(lambda x: nn.Conv1D(3, 3, padding=getattr(padding, pad))(x), x).shape == (1, length, 3)


def test_causal_outputs_see_nothing_later():
    def conv(x):
        return nn.Conv1D(3, 3, padding=padding.causal)(x)

    x = jnp.ones((1, 6, 2))
    before, after = apply(conv, x), apply(conv, x.at[0, 3].add(1))
    assert (before[0, :3] == after[0, :3]).all() and (before[0, 3:] != after[0, 3:]).any(-1).all()


def test_pairs_and_functions_for_each_axis():
    assert padding.create([padding.same, padding.causal], (3, 5), 2, 2) == ((2, 2), (8, 0))
    assert padding.create(((0, 1), (2, 3)), 3, 1, 2) == ((0, 1), (2, 3))
    with pytest.raises(TypeError, match="length 3"):
        padding.create(((0, 1), (2, 3)), 3, 1, 3)
    with pytest.raises(TypeError, match="stride must be"):
        padding.replicate((1, 2), 3, "stride")
