"""Foreign weights into models: shapes and ties are compared, and what only a borrower has goes to its owner."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import convert, nn
from tenure.convert import Weights, held
from tenure.core.errors import TenureError

TOKENS = jnp.zeros((1, 3), int)


def model(tied=True):
    def lm(tokens):
        embed = nn.Embed(7, 4, name="embed")
        share = {"w": embed.ref("embeddings").T} if tied else None
        return nn.Linear(7, with_bias=False, name="head", share=share)(embed(tokens))

    return tn.transform(lm)


def table(seed=0):
    return np.random.RandomState(seed).randn(7, 4).astype("float32")


def weights(ties=None, **values):
    return Weights("theirs", "test", {k: held(v) for k, v in values.items()}, ties)


RULES = {"wte": "embed/embeddings", "lm_head | transpose": "head/w"}


@pytest.mark.parametrize(
    ("file", "tied"),
    [
        (weights({"lm_head": "wte"}, wte=table()), True),
        (weights({"lm_head": "wte"}, wte=table()), False),
        (weights(wte=table(), lm_head=table()), True),
        (weights(wte=table(), lm_head=table()), False),
    ],
)
def test_tied_and_untied_files_into_tied_and_untied_models(file, tied):
    made = model(tied)
    params = convert.into(convert.apply(file, RULES), made.plan(TOKENS))
    assert ("head" in params) == (not tied)
    expected = jnp.asarray(table())[TOKENS] @ table().T
    np.testing.assert_allclose(made.apply(params, None, TOKENS), expected, rtol=1e-5)


def test_only_the_users_name_fills_the_owner_through_the_inverse():
    file = convert.apply(weights(lm_head=table()), {"lm_head | transpose": "head/w"})
    params = convert.into(file, model().plan(TOKENS))
    np.testing.assert_array_equal(params["embed"]["embeddings"], table())


def test_two_different_values_for_one_owner_are_an_error():
    file = convert.apply(weights(wte=table(), lm_head=table(1)), RULES)
    with pytest.raises(TenureError, match="embed/embeddings"):
        convert.into(file, model().plan(TOKENS))


def test_missing_and_unexpected_are_errors():
    with pytest.raises(TenureError, match="head/w"):
        convert.into(convert.apply(weights(wte=table()), {"wte": "embed/embeddings"}), model(False).plan(TOKENS))
    more = convert.apply(weights(wte=table(), x=table()), {"wte": "embed/embeddings", "x": "other/w"})
    with pytest.raises(TenureError, match="other/w"):
        convert.into(more, model().plan(TOKENS))


def test_floats_are_widened_and_never_narrowed_silently():
    half = convert.apply(weights({"lm_head": "wte"}, wte=table().astype("float16")), RULES)
    assert convert.into(half, model().plan(TOKENS))["embed"]["embeddings"].dtype == jnp.float32
    wide = weights({"lm_head": "wte"}, wte=table().astype("float64"))
    with pytest.raises(TenureError, match="float64"):
        convert.into(convert.apply(wide, RULES), model().plan(TOKENS))
    with pytest.raises(TenureError, match="64"):
        convert.tree(convert.apply(wide, RULES))
    asked = {"wte | cast('float32')": "embed/embeddings"}
    assert convert.into(convert.apply(wide, asked), model().plan(TOKENS))["embed"]["embeddings"].dtype == jnp.float32


def test_load_is_read_apply_and_into(tmp_path):
    convert.write(tmp_path / "m.safetensors", weights({"lm_head": "wte"}, wte=table()))
    params = convert.load(tmp_path / "m.safetensors", RULES, model().plan(TOKENS))
    assert jax.tree.map(jnp.shape, params) == {"embed": {"embeddings": (7, 4)}}
    assert jax.tree.map(jnp.shape, convert.load(tmp_path / "m.safetensors", RULES)) == {"embed": {"embeddings": (7, 4)}}


def test_a_converted_file_is_a_checkpoint_that_restores_with_its_tie(tmp_path):
    convert.write(tmp_path / "ckpt", convert.apply(weights({"lm_head": "wte"}, wte=table()), RULES))
    restored = tn.restore(tmp_path / "ckpt", model().plan(TOKENS))
    np.testing.assert_array_equal(restored.params["embed"]["embeddings"], table())
    assert restored.ledger.users_of("embed/embeddings") == ("embed/embeddings", "head/w")


def test_the_ledger_of_a_file():
    ledger = convert.ledger(weights({"lm head": "wte"}, wte=table()))
    assert ledger.users_of("~/wte") == ("~/wte", "~/lm_head")
    assert ledger.count() == 28
