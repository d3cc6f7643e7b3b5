"""Adapters: what they start as, switching, and merging."""

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn
from tenure import stages as st
from tests.stages.cases import KEY, TALL, model_of


def test_lora_starts_as_nothing_and_freezes_the_base():
    model = model_of(TALL, [st.LoRA(2, alpha=4.0)])
    params = model.init(0)
    np.testing.assert_array_equal(model.apply(params, None), TALL)
    params["~"]["w.lora.up"] = jnp.ones((2, 3))
    np.testing.assert_allclose(
        model.apply(params, None), TALL + 2 * params["~"]["w.lora.down"] @ jnp.ones((2, 3)), rtol=1e-5
    )
    grads = jax.grad(lambda p: jnp.sum(model.apply(p, None)))(params)
    assert not jnp.any(grads["~"]["w"]) and jnp.any(grads["~"]["w.lora.up"])
    assert model.plan().ledger.trainable() == {"~": {"w": False, "w.lora.down": True, "w.lora.up": True}}
    assert model.plan().ledger.mask("@lora") == {"~": {"w": False, "w.lora.down": True, "w.lora.up": True}}


def test_adapters_side_by_side_switch_without_tracing_again():
    names = ("french", "german")
    model = model_of(TALL, [st.LoRA(2, name=n, switchable=True) for n in names])
    plan, params = model.plan(), model.init(0)
    for i, name in enumerate(names):
        params["~"][f"w.{name}.up"] = jnp.full((2, 3), i + 1.0)
    traces = []
    apply = jax.jit(lambda p: traces.append(1) or model.apply(p, None))

    def expected(**gates):
        return TALL + sum(g * params["~"][f"w.{n}.down"] @ params["~"][f"w.{n}.up"] for n, g in gates.items())

    for chosen, gates in (
        (None, {}),
        ("french", {"french": 1}),
        ({"french": 0.5, "german": 2}, {"french": 0.5, "german": 2}),
    ):
        np.testing.assert_allclose(apply(tn.activate(plan, params, chosen)), expected(**gates), rtol=1e-5, atol=1e-6)
    assert len(traces) == 1


def test_merge_and_unmerge_keep_the_weight():
    stages = ["weight_norm", st.LoRA(2, alpha=3.0), "noise(0.1)"]
    get = lambda: tn.get_parameter("w", TALL.shape, init=lambda s, d: TALL)  # noqa: E731
    model = tn.transform(get, stages={"~/w": stages})
    plan, params = model.plan(), model.init(0)
    params["~"]["w.lora.up"] = jnp.ones((2, 3))
    weight = tn.weights(plan, params)["~"]["w"]
    moments = {"mu": jax.tree.map(jnp.ones_like, params), "count": 3}
    merged = tn.merge(plan, params, "~/w", opt_state=moments)
    smaller = tn.transform(get, stages=merged.stages)
    np.testing.assert_allclose(tn.weights(smaller.plan(), merged.params)["~"]["w"], weight, rtol=1e-5)
    np.testing.assert_allclose(smaller.apply(merged.params, KEY), model.apply(params, KEY), rtol=1e-5)
    assert jax.tree.structure(merged.opt_state["mu"]) == jax.tree.structure(merged.params)
    assert smaller.plan().ledger["~/w"].stages == ("weight_norm", "noise(0.1)")
    back = tn.unmerge(smaller.plan(), merged.params, "~/w", st.LoRA(2, alpha=3.0), merged.removed, merged.opt_state)
    again = tn.transform(get, stages=back.stages)
    assert again.plan().ledger["~/w"].stages == plan.ledger["~/w"].stages
    assert jax.tree.structure(back.opt_state["mu"]) == jax.tree.structure(back.params)
    np.testing.assert_allclose(tn.weights(again.plan(), back.params)["~"]["w"], weight, rtol=1e-5)
    for name in ("w", "w.lora.down", "w.lora.up"):
        np.testing.assert_allclose(back.params["~"][name], params["~"][name], rtol=1e-4, atol=1e-6)
