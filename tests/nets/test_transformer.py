"""Transformers: decoding with caches, masks, ties, stacked layers."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.nets import Transformer, TransformerConfig, TransformerLM

SMALL = TransformerConfig(width=16, num_heads=4, num_layers=2, encoder_layers=1, hidden=20, max_length=12)
V, B, S, T = 13, 2, 5, 6
SOURCE = jax.random.randint(jax.random.key(1), (B, S), 0, V)
TARGET = jax.random.randint(jax.random.key(2), (B, T), 0, V)
REAL = jnp.arange(S) < jnp.array([[3], [S]])
TIED = {
    "transformer/target_embed/embeddings": "transformer/source_embed/embeddings",
    "transformer/output/w": "transformer/target_embed/embeddings | transpose",
}
CONFIGS = {
    "sinusoidal": SMALL,
    "learned": dataclasses.replace(SMALL, positions="learned"),
    "rotary": dataclasses.replace(SMALL, positions="rotary", num_kv_heads=2),
    "stacked": dataclasses.replace(SMALL, stack=True),
    "rematerialised": dataclasses.replace(SMALL, remat=True),
    "both": dataclasses.replace(SMALL, stack=True, remat=True),
}


def configs(*names: str) -> Any:
    return pytest.mark.parametrize("config", [CONFIGS[name] for name in names], ids=names)


def translator(config: TransformerConfig, method: str = "__call__", ties: Any = None, **options: Any) -> Any:
    return tn.transform(lambda *args: getattr(Transformer(V, V, config), method)(*args, **options), ties=ties)


def language_model(config: TransformerConfig, method: str = "__call__", **options: Any) -> Any:
    return tn.transform(lambda *args: getattr(TransformerLM(V, config), method)(*args, **options))


def init(model: Any, *args: Any) -> Any:
    return model.init(jax.random.key(0), *args)


def apply(model: Any, params: Any, *args: Any) -> Any:
    return jax.jit(model.apply)(params, None, *args)


def test_names() -> None:
    params = translator(SMALL).plan(SOURCE, TARGET).params
    assert {path.split("/")[1] for path in params} == {"source_embed", "encoder", "target_embed", "decoder", "output"}
    decoder = {path.split("/", 3)[3] for path in params if path.startswith("transformer/decoder/layer_0")}
    assert decoder == {
        *(f"{a}/{part}" for a in ("attention", "cross") for part in ("query", "key", "value", "linear")),
        *("attention_norm", "cross_norm", "mlp_norm", "mlp/~/linear_0", "mlp/~/linear_1"),
    }
    assert "transformer/decoder/layer_1/attention/query" in params
    assert "transformer/encoder/layer_1/attention/query" not in params


@configs("learned", "rotary", "both")
def test_language_model_step_by_step(config: TransformerConfig) -> None:
    model = language_model(config)
    params = init(model, TARGET)
    expected = apply(model, params, TARGET)
    cache = config.init_cache(B, T)
    step = language_model(config, "step")
    logits, cache = apply(step, params, TARGET[:, :2], 0, cache)  # a prompt at once
    np.testing.assert_allclose(logits, expected[:, :2], atol=1e-4)
    step_once = jax.jit(step.apply)
    for t in range(2, T):
        logits, cache = step_once(params, None, TARGET[:, t], jnp.int32(t), cache)
        np.testing.assert_allclose(logits, expected[:, t], atol=1e-4)


@configs("sinusoidal", "rotary", "stacked")
@pytest.mark.parametrize("ties", [None, TIED], ids=["untied", "tied"])
def test_translation_step_by_step(config: TransformerConfig, ties: Any) -> None:
    model = translator(config, ties=ties)
    params = init(model, SOURCE, TARGET)
    expected = apply(model, params, SOURCE, TARGET, REAL)
    cache = apply(translator(config, "start", ties, length=T + 1), params, SOURCE, REAL)
    step_once = jax.jit(translator(config, "step", ties).apply)
    for t in range(T):
        logits, cache = step_once(params, None, TARGET[:, t], jnp.int32(t), cache)
        np.testing.assert_allclose(logits, expected[:, t], atol=1e-4)


@configs("sinusoidal", "both")
def test_a_search_may_reorder_the_rows_of_a_cache(config: TransformerConfig) -> None:
    model = translator(config)
    params = init(model, SOURCE, TARGET)
    cache = apply(translator(config, "start", length=T), params, SOURCE, REAL)
    assert {leaf.shape[0] for leaf in jax.tree.leaves(cache)} == {B}
    rows = jnp.array([1, 0, 1])
    step = translator(config, "step")
    one, _ = apply(step, params, TARGET[:, 0], 0, cache)
    other, _ = apply(step, params, TARGET[rows, 0], 0, jax.tree.map(lambda leaf: leaf[rows], cache))
    np.testing.assert_allclose(other, one[rows], atol=1e-5)


def test_ties() -> None:
    ledger = translator(SMALL, ties=TIED).plan(SOURCE, TARGET).ledger
    assert ledger.owner_of("transformer/output/w") == "transformer/source_embed/embeddings"
    untied = translator(SMALL).plan(SOURCE, TARGET).ledger
    assert untied.count() - ledger.count() == 2 * V * SMALL.width


def test_ties_from_inside_and_undone_from_outside() -> None:
    def model(source: jax.Array, target: jax.Array) -> jax.Array:
        share = {"output/w": "transformer/target_embed/embeddings | transpose"}
        return Transformer(V, V, SMALL, share=share)(source, target)

    assert "transformer/output" not in tn.transform(model).plan(SOURCE, TARGET).params
    untied = tn.transform(model, ties={"transformer/output/w": tn.own})
    assert "transformer/output" in untied.plan(SOURCE, TARGET).params


def test_the_future_and_padding_are_not_seen() -> None:
    model = translator(SMALL)
    params = init(model, SOURCE, TARGET)
    out = apply(model, params, SOURCE, TARGET, REAL)
    later = apply(model, params, SOURCE, TARGET.at[:, 4:].set(0), REAL)
    np.testing.assert_allclose(out[:, :4], later[:, :4], atol=1e-5)
    assert not np.allclose(out[:, 4:], later[:, 4:], atol=1e-3)
    padded = apply(model, params, SOURCE.at[0, 3:].set(7), TARGET, REAL)
    np.testing.assert_allclose(out, padded, atol=1e-5)
    shorter = apply(model, params, SOURCE[:1, :3], TARGET[:1])
    np.testing.assert_allclose(out[:1], shorter, atol=1e-5)
    target_real = jnp.arange(T)[None] >= jnp.array([[2], [0]])
    one = apply(model, params, SOURCE, TARGET, REAL, target_real)
    other = apply(model, params, SOURCE, TARGET.at[0, :2].set(5), REAL, target_real)
    np.testing.assert_allclose(one[0, 2:], other[0, 2:], atol=1e-5)


def stacked(params: Any, towers: dict[str, int]) -> dict[str, Any]:
    """The parameters of a loop over layers as those of a stack."""
    new = {}
    for path, entries in params.items():
        for tower, layers in towers.items():
            head, found, rest = path.partition(f"{tower}/layer_0/")
            if found:
                each = [params[f"{head}{tower}/layer_{i}/{rest}"] for i in range(layers)]
                new[f"{head}{tower}/layers/layer/{rest}"] = jax.tree.map(lambda *a: jnp.stack(a), *each)
        if "/layer_" not in path:
            new[path] = entries
    return new


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
def test_stacked_layers_are_the_loop(positions: str) -> None:
    config = dataclasses.replace(SMALL, positions=positions)
    model, stack = translator(config), translator(dataclasses.replace(config, stack=True))
    params = init(model, SOURCE, TARGET)
    other = stacked(params, {"encoder": 1, "decoder": 2})
    assert jax.tree.map(jnp.shape, other) == jax.tree.map(jnp.shape, stack.plan(SOURCE, TARGET).params)
    np.testing.assert_allclose(
        apply(stack, other, SOURCE, TARGET, REAL), apply(model, params, SOURCE, TARGET, REAL), atol=1e-4
    )


@configs("rematerialised", "both")
def test_gradients_reach_every_owner(config: TransformerConfig) -> None:
    model = translator(config, ties=TIED)
    params = init(model, SOURCE, TARGET)

    def loss(params: Any) -> jax.Array:
        logits = apply(model, params, SOURCE, TARGET, REAL)
        return -jax.nn.log_softmax(logits)[..., 0].mean()

    grads = jax.jit(jax.grad(loss))(params)
    silent = [f"{m}/{n}" for m, entries in grads.items() for n, g in entries.items() if not jnp.any(g) and n != "b"]
    assert silent == []


@pytest.mark.parametrize("stack", [False, True])
def test_dropout_is_for_training(stack: bool) -> None:
    config = dataclasses.replace(SMALL, dropout_rate=0.3, stack=stack)
    model = language_model(config)
    training = language_model(config, is_training=True)
    params = init(model, TARGET)
    calm = apply(model, params, TARGET)
    one, again, two = (jax.jit(training.apply)(params, jax.random.key(i), TARGET) for i in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, two)
    assert not np.allclose(one, calm)
    with pytest.raises(tn.TenureError, match="key"):
        training.apply(params, None, TARGET)


def test_positions_matter() -> None:
    same = jnp.full((1, 4), 3)
    for positions in ("sinusoidal", "learned", "rotary", "none"):
        config = dataclasses.replace(SMALL, positions=positions)
        model = language_model(config)
        out = apply(model, init(model, same), same)
        if positions in ("none", "rotary"):  # all values are equal, whatever their weights
            np.testing.assert_allclose(out[:, 0], out[:, 3], atol=1e-4)
        else:
            assert not np.allclose(out[:, 0], out[:, 3], atol=1e-3)
