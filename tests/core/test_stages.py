"""R19–R24, R27, R28: stages on owners, once; the table of the design's section 3, one test a row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from jax.test_util import check_grads

import tenure as tn
from tenure import nn
from tenure import stages as st
from tests.core.staged_models import (
    FORMS,
    FREE,
    KEY,
    STOCHASTIC,
    X,
    body,
    in_scan,
    owner_and_users,
    seen,
    two,
)


def test_owner_s_noise_is_one_sample_for_both_uses():
    params, first, second = seen(tn.transform(two(owner=["noise(0.1)"])))
    np.testing.assert_array_equal(first, second.T)
    assert not jnp.any(first == params["first"]["w"])


def test_owner_s_norm_then_the_view_then_this_use_s_dropout():
    model = tn.transform(two(owner=["weight_norm"], user=[tn.on_use("dropout(0.5)")]))
    params, first, second = seen(model)
    kept = second != 0
    np.testing.assert_allclose(second[kept], 2 * first.T[kept], rtol=1e-6)
    assert 0 < jnp.sum(kept) < 16
    assert model.plan().ledger["second/w"].stages == ("on_use(dropout(0.5))",)


def test_lora_on_the_owner_is_seen_by_all_users_and_on_one_use_by_that_one():
    everywhere = tn.transform(two(owner=["lora(2)"]))
    params, _, _ = seen(everywhere)
    params["first"]["w.lora.up"] = jnp.ones((2, 4))
    _, first, second = seen(everywhere, params=params)
    np.testing.assert_array_equal(first, second.T)
    assert jnp.all(first != params["first"]["w"])

    here = tn.transform(two(user=[tn.on_use("lora(2)")]))
    params = here.init(0)
    params["second"]["w.lora.up"] = jnp.ones((2, 4))
    _, first, second = seen(here, params=params)
    np.testing.assert_array_equal(first, params["first"]["w"])
    np.testing.assert_allclose(second, first.T + params["second"]["w.lora.down"] @ jnp.ones((2, 4)), rtol=1e-5)


def test_r19_stages_are_an_ordered_list_and_stack():
    model = tn.transform(two(request=["lora(2)", "weight_norm", "noise(0.1)", "dropout(0.5)"]))
    params, first, second = seen(model)
    assert model.plan().ledger["first/w"].stages == ("lora(2)", "weight_norm", "noise(0.1)", "dropout(0.5)")
    np.testing.assert_array_equal(first, second.T)
    w = params["first"]["w"]  # the adapter is zero at first; the scale is the norm of the first value
    kept = first != 0
    noisy = model.apply(params, KEY)[0] / 2
    rng = tn.core.keys.Keys(KEY)
    by_hand = w + 0.1 * jax.random.normal(rng.draw("first/w:noise"), w.shape)
    np.testing.assert_allclose(noisy[kept], by_hand[kept], rtol=1e-4)


def test_r20_stored_of_another_shape_is_checked():
    model = tn.transform(two(owner=["low_rank(2)"], share="first/w@stored | transpose"))
    with pytest.raises(tn.errors.ViewShapeError, match=r"'second/w' needs \(4, 4\) but its owner gives \(2, 4\)"):
        model.plan()


def deep(order=(0, 1, 2), borrower=False):
    def f(x):
        layers = {i: nn.Linear(4, name=f"l{i}") for i in order}
        for i in range(3):
            x = layers[i](x)
        if borrower:
            x = x + 0 * nn.Linear(4, name="late", share={"w": layers[0].ref("w")})(x)
        return x

    return f


def test_r23_samples_depend_on_key_path_and_name_only():
    def out(f, stages=None, key=KEY):
        model = tn.transform(f, stages=stages or {"*/w": ["noise(0.1)"]})
        return model.apply(model.init(0, X), key, X)

    one = out(deep())
    np.testing.assert_array_equal(one, out(deep(order=(2, 0, 1))))
    np.testing.assert_array_equal(one, out(deep(borrower=True)))
    assert jnp.any(one != out(deep(), key=jax.random.key(6)))
    assert jnp.any(one != out(deep(), {"*/w": [st.Noise(0.1, name="other")]}))


def test_r27_labels_and_masks_by_stage():
    ledger = tn.transform(two(owner=["weight_norm", "lora(2)"])).plan().ledger
    assert ledger.mask("@lora") == {
        "first": {"w": False, "w.weight_norm.scale": False, "w.lora.down": True, "w.lora.up": True}
    }
    labels = ledger.labels({"@weight_norm": "no decay", "**@lora": "adapter"}, default="frozen")
    assert labels["first"] == {
        "w": "frozen", "w.weight_norm.scale": "no decay", "w.lora.down": "adapter", "w.lora.up": "adapter",
    }  # fmt: skip
    assert ledger.mask("first/w@lora") == ledger.mask("@lora")
    with pytest.raises(tn.errors.RuleError, match="no stage 'lora' keeps a leaf for what 'second/"):
        ledger.mask("second/**@lora")


def test_r28_stop_gradient_for_one_use_stands_beside_stages():
    share = "first/w | transpose | stop_gradient"
    model = tn.transform(two(owner=["noise(0.1)"], share=share))
    params = model.init(0)
    both = jax.grad(lambda p: sum(jnp.sum(v) for v in model.apply(p, KEY)))(params)
    np.testing.assert_array_equal(both["first"]["w"], jnp.ones((4, 4)))
    assert model.plan().ledger["second/w"].views == ("transpose", "stop_gradient")


class Inner(tn.Module):
    def __init__(self, wrap):
        super().__init__(name="outer")
        self.inner = tn.force_name("inner")
        self.wrap = wrap


def test_layer_stack_has_one_sample_a_layer_drawn_before_the_loop():
    f = lambda x: tn.layer_stack(3)(body)(x)  # noqa: E731
    model = tn.transform(f)
    params = model.init(0, X)
    out = model.apply(params, KEY, X)
    x = X
    for i in range(3):
        key = jax.random.fold_in(tn.core.keys.Keys(KEY).draw("layer_stack/inner/w:noise"), i)
        w, b = (params["layer_stack/inner"][n][i] for n in "wb")
        x = jnp.tanh(x @ (w + 0.3 * jax.random.normal(key, w.shape)) + b)
    np.testing.assert_allclose(out, x, rtol=1e-5, atol=1e-6)
    text = str(jax.make_jaxpr(model.apply)(params, KEY, X))
    assert text.count("erf_inv") == 1 and text.find("erf_inv") < text.find("scan[")


@pytest.mark.parametrize("stage", ["weight_norm", "lora(2)", "low_rank(2)", "quantise(packed=True)", "orthogonal"])
def test_layer_stack_stores_a_leaf_for_each_layer(stage):
    def f(x):
        def layer(x):
            return nn.Linear(4, name="inner", stages={"w": [stage]})(x)

        return nn.Linear(4, name="out", share={"w": "stack/inner/w | index(1)"})(
            tn.layer_stack(3, name="stack")(layer)(x)
        )

    model = tn.transform(f)
    plan, params = model.plan(X), model.init(0, X)
    assert all(leaf.shape[0] == 3 for leaf in params["stack/inner"].values())
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, plan.params)
    weights = tn.weights(plan, params)["stack/inner"]["w"]
    x = X
    for i in range(3):
        x = x @ weights[i] + params["stack/inner"]["b"][i]
    expected = x @ weights[1] + params["out"]["b"]
    np.testing.assert_allclose(model.apply(params, KEY, X), expected, rtol=1e-4, atol=1e-5)
    again = tn.assign(plan, jax.tree.map(lambda a: a, params), {"stack/inner/w": weights})
    np.testing.assert_allclose(tn.weights(plan, again)["stack/inner"]["w"], weights, atol=1e-5)


def test_a_borrower_in_a_layer_stack_has_its_own_sample_in_each_layer():
    def f(x):
        first = nn.Linear(4, name="first", with_bias=False)

        def layer(x):
            use = {"w": [tn.on_use("dropout(0.5)")]}
            return nn.Linear(4, name="inner", with_bias=False, share={"w": first.ref("w")}, stages=use)(x)

        return first(x), tn.layer_stack(2)(layer)(x)

    model = tn.transform(f)
    params = model.init(0, X)
    whole, out = model.apply(params, KEY, X)
    w = params["first"]["w"]
    np.testing.assert_array_equal(whole, w)
    x = X
    for i in range(2):
        key = jax.random.fold_in(tn.core.keys.Keys(KEY).draw("layer_stack/inner/w:dropout"), i)
        x = x @ jnp.where(jax.random.bernoulli(key, 0.5, w.shape), w / 0.5, 0)
    np.testing.assert_allclose(out, x, rtol=1e-5)


def test_per_example_keys_under_an_outer_vmap():
    model = tn.transform(deep(), stages={"*/w": ["noise(0.1)"]})
    params = model.init(0, X)
    keys = jax.random.split(KEY, 3)
    many = jax.vmap(model.apply, (None, 0, None))(params, keys, X)
    for one, key in zip(many, keys, strict=True):
        np.testing.assert_allclose(one, model.apply(params, key, X), rtol=1e-5, atol=1e-6)


def test_no_tracer_outlives_its_trace():
    with jax.checking_leaks():
        model = tn.transform(in_scan)
        params = model.init(0, X)
        jax.jit(model.apply)(params, KEY, X)
        jax.jit(jax.grad(lambda p: jnp.sum(model.apply(p, KEY, X))))(params)


def test_state_of_stages_is_not_carried_through_loops():
    def f(x):
        w = nn.Linear(4, name="inner", stages={"w": ["ema(0.9)"]})
        return tn.scan(lambda c, _: (w(c), None), x, None, length=3)[0]

    model = tn.transform_with_state(f)
    params, state = model.init(0, X)
    moved = jax.tree.map(lambda a: a + 1, params)
    _, new = jax.jit(model.apply)(moved, state, None, X)
    np.testing.assert_allclose(
        new["inner"]["w.ema.average"], state["inner"]["w.ema.average"] + 0.1, rtol=1e-4, atol=1e-6
    )
    jaxpr = jax.make_jaxpr(model.apply)(moved, state, None, X)
    (scan,) = [e for e in jaxpr.eqns if e.primitive.name == "scan"]
    assert scan.params["num_carry"] == 1


def test_an_initialiser_that_reads_the_inputs_has_stages_too():
    def f(x):
        w = tn.get_parameter("w", (4, 4), init=lambda s, d: x * 2, stages=["weight_norm", "noise(0.1)"])
        return x @ w

    model = tn.transform(f)
    params = model.init(0, X)
    np.testing.assert_array_equal(params["~"]["w"], 2 * X)
    np.testing.assert_allclose(params["~"]["w.weight_norm.scale"], 2 * jnp.ones(4), rtol=1e-6)


def test_a_class_with_an_argument_called_stages_keeps_it():
    class ResNet(tn.Module):
        def __init__(self, stages, name=None):
            super().__init__(name=name)
            self.stages = stages

        def __call__(self):
            return self.stages

    assert tn.transform(lambda: ResNet(stages=[3, 4, 6, 3])()).apply({}, None) == [3, 4, 6, 3]


def test_weight_norm_on_one_use_starts_at_what_is_borrowed():
    model = tn.transform(two(user=[tn.on_use("weight_norm")]))
    params, first, second = seen(model)
    np.testing.assert_allclose(second, first.T, rtol=1e-5)
    np.testing.assert_allclose(params["second"]["w.weight_norm.scale"], jnp.linalg.norm(first.T, axis=0), rtol=1e-5)


def test_the_ledger_shows_stages_and_their_leaves_and_reads_back():
    ledger = tn.transform(two(owner=["lora(2)", "noise(0.1)"], user=[tn.on_use("lora(1)")])).plan().ledger
    assert ledger.owners == (
        "first/w",
        "first/w.lora.down",
        "first/w.lora.up",
        "second/w.lora.down",
        "second/w.lora.up",
    )
    assert ledger.count() == 16 + 16 + 8 and ledger.owner_of("second/w") == "first/w"
    assert ledger["first/w"].frozen and ledger["first/w.lora.up"].part_of == "first/w"
    assert tn.Ledger.from_json(ledger.to_json()) == ledger
    text = str(ledger)
    for shown in ("lora(2) · noise(0.1) (frozen)", "+ first/w.lora.down", "on_use(lora(1))", "↳ second/w"):
        assert shown in text
    assert "lora(2) · noise(0.1)" in ledger.to_html()


def test_the_names_of_leaves_survive_a_file(tmp_path):
    from safetensors.numpy import load_file, save_file

    model = tn.transform(two(owner=["weight_norm", "lora(2)"]))
    params = model.init(0)
    flat = {f"{m}/{n}": np.asarray(a) for m, e in params.items() for n, a in e.items()}
    save_file(flat, tmp_path / "p.safetensors")
    assert load_file(tmp_path / "p.safetensors").keys() == flat.keys()


VIEWS = ["", " | transpose", " | scale(0.5)", " | reshape(2, 8) | reshape(4, 4)", " | permute(1, 0)", " | slice(0, 4)"]


@some.composite
def programs(draw):
    structural = some.lists(some.sampled_from(FREE), max_size=3, unique=True) | some.sampled_from(FORMS).map(
        lambda s: [s]
    )
    stages = draw(structural) + draw(some.lists(some.sampled_from(STOCHASTIC), max_size=3, unique=True))
    return stages, draw(some.lists(some.sampled_from(VIEWS), max_size=4))


@settings(max_examples=12, deadline=None)
@given(programs())
def test_random_stacks_one_sample_one_gradient_one_way_back(program):
    check_program(*program)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(programs())
def test_many_random_stacks(program):
    check_program(*program)


def check_program(stages, uses):
    with jax.enable_x64(True):
        model = tn.transform(lambda: owner_and_users(stages, uses))
        plan = model.plan()
        params = jax.tree.map(lambda a: a.astype(jnp.float64), model.init(0))
        final, *values = model.apply(params, KEY)
        for value, through in zip(values, uses, strict=True):
            expected = final
            for view in tn.Ref.parse("owner/w" + through).views:
                expected = view(expected)
            np.testing.assert_array_equal(value, expected)
        check_grads(lambda p: sum(jnp.sum(jnp.sin(v)) for v in model.apply(p, KEY)), (params,), 1, ["rev"], rtol=1e-4)
        weight = tn.weights(plan, params)["owner"]["w"]
        moved = jax.tree.map(lambda a: a + 0.01, params)
        again = tn.assign(plan, moved, {"owner/w": weight})
        np.testing.assert_allclose(tn.weights(plan, again)["owner"]["w"], weight, rtol=1e-6, atol=1e-6)
        assert len(jax.tree.leaves(params)) == len(plan.ledger.owners)
