"""What `Embed` refuses, in the words of the library that the program uses."""

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
import tenure.haiku as hk
from tenure import nn


@pytest.mark.parametrize(
    "make, why",
    [
        (lambda m: m.Embed(0, 4), "vocab_size is a number of at least 1, not 0"),
        (lambda m: m.Embed(4, -1), "embed_dim is a number of at least 1, not -1"),
        (lambda m: m.Embed(4), "must be supplied either"),
        (lambda m: m.Embed(4, 4)(jnp.ones(3)), "must take an array of integer dtype"),
    ],
)
def test_messages_name_the_library(make, why):
    for module, transform, name in ((nn, tn.transform, "nn"), (hk, hk.transform, "hk")):
        with pytest.raises(ValueError, match=why) as error:
            transform(lambda: make(module)).init(jax.random.PRNGKey(0))
        assert str(error.value).startswith(f"{name}.Embed")
