"""The cases of the RETURNN discussion "Reusing parameter with different variable name not working", with modules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn

N_HEADS, N_TOTAL = 2, 40


def glorot(shape, dtype):
    return jax.random.normal(tn.next_rng_key(), shape, dtype) * (2 / sum(shape)) ** 0.5


class SelfAttention(tn.Module):
    def __init__(self, num_heads, total_key_dim, n_out, name=None):
        super().__init__(name=name)
        self.num_heads, self.total_key_dim, self.n_out = num_heads, total_key_dim, n_out

    def __call__(self, x):
        qkv = x @ tn.get_parameter("QKV", (x.shape[-1], 2 * self.total_key_dim + self.n_out), init=glorot)
        q, k, v = (t.reshape(*t.shape[:-1], self.num_heads, -1) for t in jnp.split(qkv, 3, -1))
        return jax.nn.dot_product_attention(q, k, v).reshape(*x.shape[:-1], self.n_out)


class Linear(tn.Module):
    def __init__(self, n_out, with_bias=True, name=None):
        super().__init__(name=name)
        self.n_out, self.with_bias = n_out, with_bias

    def __call__(self, x):
        y = x @ tn.get_parameter("W", (x.shape[-1], self.n_out), init=glorot)
        return y + tn.get_parameter("b", (self.n_out,), init=jnp.zeros) if self.with_bias else y


def custom(w):
    """The thread's custom function: returns the parameter unmodified."""
    return w


X = jnp.ones((3, 7, N_TOTAL))


@pytest.mark.parametrize("view", [custom, lambda w: jnp.asarray(w)], ids=["unmodified", "identity"])
@pytest.mark.parametrize("order", ["owner first", "borrower first"])
def test_qkv_as_w(view, order):
    """R8, R12, R17: `QKV` of a self-attention is `W` of a linear layer; nothing else may be created."""

    def network(x):
        ref = tn.Ref.parse("self_att/QKV") | view
        share = {"W": ref, "*": tn.forbid}  # auto_create_missing: should not matter as we do not have any bias
        if order == "borrower first":
            linear = Linear(N_TOTAL * 3, with_bias=False, name="linear", share=share)
        self_att = SelfAttention(N_HEADS, N_TOTAL, N_TOTAL, name="self_att")
        if order == "owner first":
            linear = Linear(N_TOTAL * 3, with_bias=False, name="linear", share=share)
        y = linear(x)
        assert linear.params["W"].shape == (N_TOTAL, 3 * N_TOTAL)  # it exists, and is what the layer computes with
        return self_att(x), y

    model = tn.transform(network)
    params = model.init(0, X)
    assert jax.tree.map(jnp.shape, params) == {"self_att": {"QKV": (N_TOTAL, 3 * N_TOTAL)}}
    ledger = model.plan(X).ledger
    assert ledger.owner_of("linear/W") == "self_att/QKV"
    np.testing.assert_array_equal(model.apply(params, None, X)[1], X @ params["self_att"]["QKV"])


def test_a_bias_that_may_not_be_created_is_an_error():
    def network(x):
        SelfAttention(N_HEADS, N_TOTAL, N_TOTAL, name="self_att")(x)
        return Linear(N_TOTAL * 3, name="linear", share={"W": "self_att/QKV", "*": tn.forbid})(x)

    with pytest.raises(tn.errors.ForbiddenSlotError, match="linear/b"):
        tn.transform(network).plan(X)


class EmbedLike(Linear):
    """A linear layer on one-hot vectors: RETURNN's embedding."""

    def __call__(self, tokens):
        return tn.get_parameter("W", (11, self.n_out), init=glorot)[tokens]


def translation(source, target):
    source_embed = EmbedLike(8, name="source_embed")
    target_embed = EmbedLike(8, name="target_embed", share={"W": "source_embed/W"})
    output_prob = Linear(
        11, with_bias=False, name="output_prob", share={"W": tn.Ref.parse("target_embed/W") | transposed}
    )
    hidden = source_embed(source).mean(1, keepdims=True) + target_embed(target)
    logits = output_prob(hidden)
    for layer in (source_embed, target_embed, output_prob):
        assert (
            "W" in layer.params
        )  # "layer.params["W"] exists for source_embed and target_embed, but not for output_prob"
    return logits, [sorted(layer.owned) for layer in (source_embed, target_embed, output_prob)]


def transposed(w):
    return jnp.transpose(w)


def test_translation_config():
    """R11: `source_embed` ← `target_embed` ← `output_prob`, transposed by a custom function: one matrix, two hops."""
    tokens = jnp.zeros((2, 5), int)
    model = tn.transform(translation)
    ledger = model.plan(tokens, tokens).ledger
    assert ledger.owners == ("source_embed/W",)
    assert ledger.users_of("source_embed/W") == ("source_embed/W", "target_embed/W", "output_prob/W")
    assert ledger.chain_of("output_prob/W") == ("output_prob/W", "target_embed/W", "source_embed/W")
    params = model.init(0, tokens, tokens)
    (logits, owned) = model.apply(params, None, tokens, tokens)
    assert owned == [["W"], [], []]
    w = params["source_embed"]["W"]
    np.testing.assert_allclose(logits, jnp.broadcast_to((w[0] + w[0]) @ w.T, logits.shape), rtol=1e-5)
    grad = jax.grad(lambda p: model.apply(p, None, tokens, tokens)[0].sum())(params)
    expected = jax.grad(lambda w: ((w[tokens].mean(1, keepdims=True) + w[tokens]) @ w.T).sum())(w)
    np.testing.assert_allclose(grad["source_embed"]["W"], expected, rtol=1e-4)
    assert "not serialisable: a Python function as view" in ledger["output_prob/W"].notes


def test_the_same_as_data():
    """R44: with the named view the whole configuration is data."""
    tokens = jnp.zeros((2, 5), int)
    ties = {"target_embed/W": "source_embed/W", "output_prob/W": "target_embed/W | transpose"}

    def untouched(source, target):
        hidden = EmbedLike(8, name="source_embed")(source).mean(1, keepdims=True) + EmbedLike(8, name="target_embed")(
            target
        )
        return Linear(11, with_bias=False, name="output_prob")(hidden)

    import json

    ties = json.loads(json.dumps(ties))
    ledger = tn.transform(untouched, ties=ties).plan(tokens, tokens).ledger
    assert ledger.users_of("source_embed/W") == ("source_embed/W", "target_embed/W", "output_prob/W")
    assert all("not serialisable" not in note for row in ledger.rows for note in row.notes)
