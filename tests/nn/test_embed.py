"""What `Embed` refuses, in the words of the library that the program uses."""

import jax
import jax.numpy as jnp
import numpy as np
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


@pytest.mark.parametrize("style", nn.EmbedLookupStyle)
def test_lookup_styles_agree(style: nn.EmbedLookupStyle) -> None:
    model = tn.transform(lambda ids: nn.Embed(11, 4)(ids, lookup_style=style))
    ids = jnp.array([[0, 10], [3, 3]])
    params = model.init(jax.random.key(0), ids)
    np.testing.assert_array_equal(model.apply(params, None, ids), params["embed"]["embeddings"][ids])
