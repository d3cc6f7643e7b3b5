"""Reading and writing by path: what cannot be read, written or found is told by name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import convert, nn
from tenure.convert import FileError, Weights, held
from tenure.core.errors import TenureError
from tests.convert.samples import named, table, weights


def test_a_name_that_is_not_there_is_told_with_the_nearest(tmp_path):
    convert.write(tmp_path / "w.npz", weights())
    with pytest.raises(FileError, match=r"no tensor 'embd/w'(?s:.*)embed/w"):
        convert.read(tmp_path / "w.npz")["embd/w"]


def test_what_a_format_cannot_hold_is_refused_by_name(tmp_path):
    half = np.asarray(jnp.ones((2, 2), "bfloat16"))
    for file, array in {"w.h5": half, "w.gguf": np.array([True]), "model.bin": np.arange(2)}.items():
        with pytest.raises(FileError, match=f"{file}' can not be written: its format can not hold 'a/w', an array of"):
            convert.write(tmp_path / file, Weights("", "", {"a/w": held(array)}))
    with pytest.raises(FileError, match="w.pkl' can not be written: the format 'haiku' is only read"):
        convert.write(tmp_path / "w.pkl", Weights("", "", {"a": held(half)}))
    assert not list(tmp_path.iterdir())


def test_arguments_of_another_kind_are_told(tmp_path):
    for path in (None, b"w.npz", "a\0b", ""):
        with pytest.raises(FileError, match="is no path"):
            convert.read(path)
        with pytest.raises(FileError, match="is no path"):
            convert.write(path, weights())
    with pytest.raises(convert.MapError, match="what is written are Weights, not 3"):
        convert.write(tmp_path / "w.npz", 3)
    for array in (np.array([{}]), np.array(["text"])):
        with pytest.raises(FileError, match="its format can not hold 'a'"):
            convert.write(tmp_path / "w.npz", Weights("", "", {"a": held(array)}))
    with pytest.raises(TenureError, match="a plan is needed"):
        convert.into(weights(), 3)


TOKENS = jnp.zeros((1, 3), int)


def model(tied=True):
    def lm(tokens):
        embed = nn.Embed(7, 4, name="embed")
        share = {"w": embed.ref("embeddings").T} if tied else None
        return nn.Linear(7, with_bias=False, name="head", share=share)(embed(tokens))

    return tn.transform(lm)


RULES = {"wte": "embed/embeddings", "lm_head | transpose": "head/w"}


@pytest.mark.parametrize(
    ("file", "tied"),
    [
        (named({"lm_head": "wte"}, wte=table()), True),
        (named({"lm_head": "wte"}, wte=table()), False),
        (named(wte=table(), lm_head=table()), True),
        (named(wte=table(), lm_head=table()), False),
    ],
)
def test_tied_and_untied_files_into_tied_and_untied_models(file, tied):
    made = model(tied)
    params = convert.into(convert.apply(file, RULES), made.plan(TOKENS))
    assert ("head" in params) == (not tied)
    expected = jnp.asarray(table())[TOKENS] @ table().T
    np.testing.assert_allclose(made.apply(params, None, TOKENS), expected, rtol=1e-5)


def test_only_the_users_name_fills_the_owner_through_the_inverse():
    file = convert.apply(named(lm_head=table()), {"lm_head | transpose": "head/w"})
    params = convert.into(file, model().plan(TOKENS))
    np.testing.assert_array_equal(params["embed"]["embeddings"], table())


def test_two_different_values_for_one_owner_are_an_error():
    file = convert.apply(named(wte=table(), lm_head=table(1)), RULES)
    with pytest.raises(TenureError, match="embed/embeddings"):
        convert.into(file, model().plan(TOKENS))


def test_missing_and_unexpected_are_errors():
    with pytest.raises(TenureError, match="head/w"):
        convert.into(convert.apply(named(wte=table()), {"wte": "embed/embeddings"}), model(False).plan(TOKENS))
    more = convert.apply(named(wte=table(), x=table()), {"wte": "embed/embeddings", "x": "other/w"})
    with pytest.raises(TenureError, match="other/w"):
        convert.into(more, model().plan(TOKENS))


def test_floats_are_widened_and_never_narrowed_silently():
    half = convert.apply(named({"lm_head": "wte"}, wte=table().astype("float16")), RULES)
    assert convert.into(half, model().plan(TOKENS))["embed"]["embeddings"].dtype == jnp.float32
    wide = named({"lm_head": "wte"}, wte=table().astype("float64"))
    with pytest.raises(TenureError, match="float64"):
        convert.into(convert.apply(wide, RULES), model().plan(TOKENS))
    with pytest.raises(TenureError, match="64"):
        convert.tree(convert.apply(wide, RULES))
    asked = {"wte | cast('float32')": "embed/embeddings"}
    assert convert.into(convert.apply(wide, asked), model().plan(TOKENS))["embed"]["embeddings"].dtype == jnp.float32


def test_load_is_read_apply_and_into(tmp_path):
    convert.write(tmp_path / "m.safetensors", named({"lm_head": "wte"}, wte=table()))
    params = convert.load(tmp_path / "m.safetensors", RULES, model().plan(TOKENS))
    assert jax.tree.map(jnp.shape, params) == {"embed": {"embeddings": (7, 4)}}
    assert jax.tree.map(jnp.shape, convert.load(tmp_path / "m.safetensors", RULES)) == {"embed": {"embeddings": (7, 4)}}


def test_a_converted_file_is_a_checkpoint_that_restores_with_its_tie(tmp_path):
    convert.write(tmp_path / "ckpt", convert.apply(named({"lm_head": "wte"}, wte=table()), RULES))
    restored = tn.restore(tmp_path / "ckpt", model().plan(TOKENS))
    np.testing.assert_array_equal(restored.params["embed"]["embeddings"], table())
    assert restored.ledger.users_of("embed/embeddings") == ("embed/embeddings", "head/w")
