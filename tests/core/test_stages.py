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

KEY, X = jax.random.key(5), jnp.eye(4)
TIE = "first/w | transpose"


def normal(shape, dtype):
    return jax.random.normal(tn.next_rng_key(), shape, dtype)


class Weight(tn.Module):
    """Gives its weight."""

    def __init__(self, shape=(4, 4), stages_of_request=None, name=None):
        super().__init__(name=name)
        self.shape, self.stages_of_request = shape, stages_of_request

    def __call__(self):
        return tn.get_parameter("w", self.shape, init=normal, stages=self.stages_of_request)


def two(owner=None, user=None, share=TIE, request=None):
    """The values that the owner and a borrower see; `owner` and `user` are the modules' `stages=`."""

    def f():
        first = Weight(name="first", stages=owner and {"w": owner}, stages_of_request=request)
        second = Weight(name="second", share={"w": share}, stages=user and {"w": user})
        return first(), second()

    return f


def seen(model, key=KEY, params=None):
    params = params or model.init(0)
    return params, *model.apply(params, key)


# The table


def test_owner_s_noise_is_one_sample_for_both_uses():
    params, first, second = seen(tn.transform(two(owner=["noise(0.1)"])))
    np.testing.assert_array_equal(first, second.T)
    assert not jnp.any(first == params["first"]["w"])


def test_the_same_noise_on_the_borrower_is_applied_once_and_the_ledger_says_so():
    model = tn.transform(two(owner=["noise(0.1)"], user=["noise(0.1)"]))
    _, first, second = seen(model)
    np.testing.assert_array_equal(first, second.T)
    np.testing.assert_array_equal(first, seen(tn.transform(two(owner=["noise(0.1)"])))[1])
    assert "noise: same as owner" in model.plan().ledger["second/w"].notes


@pytest.mark.parametrize("owner", [None, ["noise(0.2)"], ["weight_norm"]])
def test_noise_on_a_borrower_only_is_an_error_that_names_both_and_three_ways(owner):
    with pytest.raises(tn.errors.BorrowerStageError) as e:
        tn.transform(two(owner=owner, user=["noise(0.1)"])).plan()
    assert {"second/w", "first/w"} <= {p.path for p in e.value.parties}
    assert [w.partition(":")[0] for w in e.value.ways] == [
        "put it on the owner, for all users", "for this use only", "untie it",
    ]  # fmt: skip


def test_the_ways_out_of_that_error_work():
    tn.transform(two(owner=["noise(0.1)"], user=["noise(0.1)"])).plan()
    tn.transform(two(user=[tn.on_use("noise(0.1)")])).plan()
    tn.transform(two(user=["noise(0.1)"]), ties={"second/w": tn.own}).plan()
    _, first, second = seen(tn.transform(two(user=["noise(0.1)"]), on_borrowed="stack"))
    assert not jnp.any(first == second.T)


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


def test_merging_the_adapter_of_one_use_is_an_error_whose_way_out_works():
    f = two(user=[tn.on_use("lora(2)")])
    model = tn.transform(f)
    params = model.init(0)
    params["second"]["w.lora.up"] = jnp.ones((2, 4))
    with pytest.raises(tn.errors.MergeError, match="merging it would change what first/w see") as e:
        tn.merge(model.plan(), params, "second/w")
    assert "tn.untie(plan, params, 'second/w')" in e.value.ways[0]
    free = tn.untie(model.plan(), params, "second/w")
    untied = tn.transform(f, ties=free.ties, stages=free.stages)
    for a, b in zip(model.apply(params, None), untied.apply(free.params, None), strict=True):
        np.testing.assert_array_equal(a, b)
    merged = tn.merge(untied.plan(), free.params, "second/w")
    plain = tn.transform(f, ties=free.ties, stages=merged.stages)
    assert plain.plan().ledger["second/w"].stages == ()
    assert merged.params.keys() == {"first", "second"} and merged.params["second"].keys() == {"w"}
    for a, b in zip(model.apply(params, None), plain.apply(merged.params, None), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


# The requirements


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


def test_r19_once_per_apply():
    def f(x):
        first = nn.Linear(4, name="first", with_bias=False)
        for i in range(5):
            x = nn.Linear(4, name=f"user_{i}", with_bias=False, share={"w": first.ref("w")})(first(x))
        return x

    model = tn.transform(f, stages={"**/w": ["noise(0.1)"]})
    params = model.init(0, X)
    text = str(jax.make_jaxpr(model.apply)(params, KEY, X))
    assert text.count("random_bits") == 1 and text.count("erf_inv") == 1


@pytest.mark.parametrize("tap", ["stored", "weight", ""])
def test_r20_a_borrower_gets_the_final_value_and_may_opt_out(tap):
    share = f"first/w{'@' * bool(tap)}{tap} | transpose"
    model = tn.transform(two(owner=["weight_norm", "noise(0.1)"], share=share))
    params = jax.tree.map(lambda a: a + 1, model.init(0))
    _, first, second = seen(model, params=params)
    weight = tn.weights(model.plan(), params)["first"]["w"]
    expected = {"stored": params["first"]["w"], "weight": weight, "": first}[tap]
    np.testing.assert_array_equal(second, expected.T)
    assert jnp.any(weight != params["first"]["w"]) and jnp.any(weight != first)
    assert model.plan().ledger["second/w"].borrows == share


def test_r20_taps_by_object_and_through_a_chain():
    def f():
        first = Weight(name="first", stages={"w": ["weight_norm", "noise(0.1)"]})
        middle = Weight(name="middle", share={"w": first.ref("w").weight.T})
        last = Weight(name="last", share={"w": middle.ref("w").T})
        plain = Weight(name="plain", share={"w": first.ref("w").stored})
        return first(), middle(), last(), plain()

    model = tn.transform(f)
    params = model.init(0)
    _, middle, last, plain = model.apply(params, KEY)
    np.testing.assert_array_equal(middle.T, tn.weights(model.plan(), params)["first"]["w"])
    np.testing.assert_array_equal(middle, last.T)
    np.testing.assert_array_equal(plain, params["first"]["w"])


def test_r20_stored_of_another_shape_is_checked():
    model = tn.transform(two(owner=["low_rank(2)"], share="first/w@stored | transpose"))
    with pytest.raises(tn.errors.ViewShapeError, match=r"'second/w' needs \(4, 4\) but its owner gives \(2, 4\)"):
        model.plan()


def test_r22_globs_select_owners_only():
    model = tn.transform(two(), stages={"**/w": ["noise(0.1)"]})
    _, first, second = seen(model)
    np.testing.assert_array_equal(first, second.T)
    assert [r.stages for r in model.plan().ledger.rows] == [("noise(0.1)",), ()]
    with pytest.raises(tn.errors.RuleError, match="which is borrowed"):
        tn.transform(two(), stages={"second/w": ["noise(0.1)"]}).plan()
    with pytest.raises(tn.errors.UnusedStageError, match="select nothing"):
        tn.transform(two(), stages={"third/**": ["noise(0.1)"]}).plan()


def test_outer_stages_add_to_inner_ones_replace_those_of_one_name_and_can_forget():
    def stages_of(outer, inner=("noise(0.1)",)):
        model = tn.transform(two(owner=list(inner)), stages={"first/w": outer})
        return model.plan().ledger["first/w"].stages

    assert stages_of(["weight_norm"]) == ("weight_norm", "noise(0.1)")
    assert stages_of(["noise(0.3)"]) == ("noise(0.3)",)
    assert stages_of([None, "dropout(0.1)"]) == ("dropout(0.1)",)
    assert stages_of([None]) == ()
    notes = tn.transform(two(owner=["noise(0.1)"]), stages={"first/w": ["noise(0.3)"]}).plan().ledger["first/w"].notes
    assert notes == ("stages= overrides 'noise(0.1)' with 'noise(0.3)'",)


def test_the_first_glob_that_matches_counts():
    model = tn.transform(two(share=None), stages={"first/w": [], "**/w": ["noise(0.1)"]})
    assert [r.stages for r in model.plan().ledger.rows] == [(), ("noise(0.1)",)]


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


def test_r23_evaluation_is_the_identity():
    model = tn.transform(deep(), stages={"*/w": ["noise(0.1)", "dropout(0.5)"]})
    params = model.init(0, X)
    np.testing.assert_array_equal(
        tn.evaluation(model).apply(params, None, X), tn.transform(deep()).apply(params, None, X)
    )
    with pytest.raises(tn.errors.MissingRNGError, match="tn.evaluation"):
        model.apply(params, None, X)


def test_training_and_evaluation_in_one_apply():
    def f():
        module = Weight(name="m", stages={"w": ["noise(0.1)"]})
        with tn.training(False):
            quiet = module()
        return module(), quiet

    model = tn.transform(f)
    params = model.init(0)
    noisy, quiet = model.apply(params, KEY)
    np.testing.assert_array_equal(quiet, params["m"]["w"])
    assert not jnp.any(noisy == quiet)


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


def test_r27_penalties_count_a_shared_owner_once():
    model = tn.transform(two(), stages={"**": ["l2(0.5)"]})
    params = model.init(0)
    np.testing.assert_allclose(tn.penalty(model.plan(), params), 0.5 * jnp.sum(params["first"]["w"] ** 2), rtol=1e-6)
    grads = jax.grad(lambda p: tn.penalty(model.plan(), p))(params)
    np.testing.assert_allclose(grads["first"]["w"], params["first"]["w"], rtol=1e-6)


def test_r28_stop_gradient_for_one_use_stands_beside_stages():
    share = "first/w | transpose | stop_gradient"
    model = tn.transform(two(owner=["noise(0.1)"], share=share))
    params = model.init(0)
    both = jax.grad(lambda p: sum(jnp.sum(v) for v in model.apply(p, KEY)))(params)
    np.testing.assert_array_equal(both["first"]["w"], jnp.ones((4, 4)))
    assert model.plan().ledger["second/w"].views == ("transpose", "stop_gradient")


# Places


def body(x, i=None):
    return jnp.tanh(nn.Linear(4, name="inner", stages={"w": ["noise(0.3)"]})(x))


def in_scan(x):
    return tn.scan(lambda c, _: (body(c), None), x, None, length=3)[0]


def in_while(x):
    return tn.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, body(c[1])), (0, x))[1]


def in_fori(x):
    return tn.fori_loop(0, 3, lambda i, c: body(c), x)


class Inner(tn.Module):
    def __init__(self, wrap):
        super().__init__(name="outer")
        self.inner = tn.force_name("inner")
        self.wrap = wrap


def looped(x):
    inner = nn.Linear(4, name="inner", stages={"w": ["noise(0.3)"]})
    for _ in range(3):
        x = jnp.tanh(inner(x))
    return x


@pytest.mark.parametrize("f", [in_scan, in_while, in_fori])
@pytest.mark.parametrize("jit", [False, True])
def test_one_sample_for_all_steps_of_a_loop(f, jit):
    model, plain = tn.transform(f), tn.transform(looped)
    params = plain.init(0, X)
    apply = jax.jit(model.apply) if jit else model.apply
    np.testing.assert_allclose(apply(params, KEY, X), plain.apply(params, KEY, X), rtol=1e-6, atol=1e-6)
    text = str(jax.make_jaxpr(model.apply)(params, KEY, X))
    loop = text.find("scan[") if "scan[" in text else text.find("while[")
    assert text.count("erf_inv") == 1 and text.find("erf_inv") < loop, "drawn once, before the loop"


@pytest.mark.parametrize("wrap", [tn.remat, tn.jit, lambda f: tn.vmap(f), lambda f: tn.remat(tn.vmap(tn.jit(f)))])
def test_one_sample_under_transformations(wrap):
    def f(x):
        for _ in range(2):
            x = wrap(body)(x) if _ == 0 else x
        return x

    model, plain = tn.transform(f), tn.transform(body)
    params = plain.init(0, X)
    np.testing.assert_allclose(model.apply(params, KEY, X), plain.apply(params, KEY, X), rtol=1e-6)
    text = str(jax.make_jaxpr(model.apply)(params, KEY, X))
    assert text.count("erf_inv") == 1


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


def test_an_owner_that_is_not_used_costs_nothing_in_the_compiled_program():
    def f(x, extra):
        y = nn.Linear(4, name="used")(x)
        if extra:
            nn.Linear(64, name="unused")(x)
        return y

    def compiled(extra):
        model = tn.transform(f, stages={"**/w": ["weight_norm", "noise(0.1)"]})
        params = model.init(0, X, extra)
        return jax.jit(lambda p, k, x: model.apply(p, k, x, extra)).lower(params, KEY, X).compile()

    assert compiled(True).cost_analysis()["flops"] == compiled(False).cost_analysis()["flops"]


def test_remat_of_a_stage_is_one_option_and_keeps_nothing():
    def residuals(remat):
        model = tn.transform(
            lambda x: nn.Linear(64, name="l", with_bias=False)(x),
            stages={"l/w": [st.WeightNorm(remat=remat), st.Noise(0.1, relative=True, remat=remat)]},
        )
        x = jnp.ones((2, 64))
        params = model.init(0, x)
        _, vjp = jax.vjp(lambda p: model.apply(p, KEY, x), params)
        return sum(leaf.size for leaf in jax.tree.leaves(vjp))

    assert residuals(True) < residuals(False)


def test_stages_need_no_plan_made_before():
    f = two(request=["weight_norm", "noise(0.1)"])
    params = tn.transform(f).init(0)
    fresh = tn.transform(f)  # never planned: as after loading a checkpoint
    for a, b in zip(fresh.apply(params, KEY), tn.transform(f).apply(params, KEY), strict=True):
        np.testing.assert_array_equal(a, b)

    def inside(x):
        return tn.scan(lambda c, _: (body(c), None), x, None, length=3)[0]

    params = tn.transform(inside).init(0, X)
    text = str(jax.make_jaxpr(tn.transform(inside).apply)(params, KEY, X))
    assert text.count("erf_inv") == 1 and text.find("erf_inv") < text.find("scan[")


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


@pytest.mark.parametrize("jit", [False, True])
def test_every_owner_s_own_average_and_noise(jit):
    def f():
        return [Weight(name=n, stages={"w": ["ema(0.9)", "noise(0.1)"]})() for n in ("one", "two", "three")]

    model = tn.transform_with_state(f)
    params, state = model.init(0)
    moved = {n: {"w": params[n]["w"] + i} for i, n in enumerate(params, 1)}
    values, new = (jax.jit(model.apply) if jit else model.apply)(moved, state, KEY)
    for i, (name, value) in enumerate(zip(params, values, strict=True), 1):
        average = state[name]["w.ema.average"] + 0.1 * i
        np.testing.assert_allclose(new[name]["w.ema.average"], average, rtol=1e-5, atol=1e-6)
        noise = jax.random.normal(tn.core.keys.Keys(KEY).draw(f"{name}/w:noise"), (4, 4))
        np.testing.assert_allclose(value, moved[name]["w"] + 0.1 * noise, rtol=1e-5, atol=1e-6)


def test_owners_with_state_untie_merge_and_tie():
    f = two(owner=["spectral_norm", "lora(2)"])
    model = tn.transform_with_state(f)
    params, state = model.init(0)
    params["first"]["w.lora.up"] = jnp.ones((2, 4))
    (_, second), _ = model.apply(params, state, None)
    free = tn.untie(model.plan(), params, "second/w", state=state)
    untied = tn.transform_with_state(f, ties=free.ties, stages=free.stages)
    np.testing.assert_allclose(untied.apply(free.params, state, None)[0][1], second, rtol=1e-5)
    with pytest.raises(tn.errors.MergeError, match="does not fit what comes before it"):
        tn.merge(model.plan(), params, "first/w", "lora", state=state)
    bare = tn.transform_with_state(f, stages={"first/w": [None, "ema(0.9)"]})
    params, state = bare.init(0)
    own = tn.untie(bare.plan(), params, "second/w", state=state)
    model = tn.transform_with_state(f, ties=own.ties, stages=own.stages)
    again = tn.tie(model.plan(), own.params, {"second/w": "first/w | transpose"}, take="first/w", state=state)
    np.testing.assert_array_equal(again.params["first"]["w"], params["first"]["w"])


def test_params_that_were_cast_stay_cast():
    model = tn.transform(two(owner=["weight_norm"], share=None))
    half = jax.tree.map(lambda a: a.astype(jnp.bfloat16), model.init(0))
    new = tn.assign(model.plan(), half, {"first/w": jnp.eye(4), "second/w": jnp.eye(4)})
    assert {leaf.dtype for leaf in jax.tree.leaves(new)} == {jnp.dtype(jnp.bfloat16)}
    kept = tn.tie(model.plan(), half, {"second/w": "first/w"}, take="second/w")
    np.testing.assert_array_equal(kept.params["first"]["w"], half["second"]["w"])
    assert kept.params["first"]["w"].dtype == jnp.bfloat16


def test_ties_of_two_borrowers_compare_with_the_value_that_is_taken():
    def three():
        return [Weight(name=n)() for n in ("owner", "one", "two")]

    model = tn.transform(three)
    params = model.init(0)
    params["two"]["w"] = params["one"]["w"]
    kept = tn.tie(model.plan(), params, {"one/w": "owner/w", "two/w": "owner/w"}, take="one/w")
    np.testing.assert_array_equal(kept.params["owner"]["w"], params["one"]["w"])


def test_unmerge_of_a_stage_without_a_way_back_is_a_tenure_error():
    model = tn.transform(two())
    with pytest.raises(tn.errors.NoInverseError, match="standardise"):
        tn.unmerge(model.plan(), model.init(0), "first/w", "standardise", {})


def test_stages_of_a_declaration_and_of_a_given_value():
    class Parent(tn.Module):
        def __call__(self):
            tn.declare("table", (4, 4), init=normal, stages=["noise(0.1)"])
            return Child(name="one")(), Child(name="two")()

    class Child(tn.Module):
        def __call__(self):
            return tn.borrow("table")

    model = tn.transform(lambda: Parent(name="p")())
    params = model.init(0)
    one, two_ = model.apply(params, KEY)
    np.testing.assert_array_equal(one, two_)
    assert not jnp.any(one == params["p"]["table"])

    def given_value():
        made = jnp.ones((4, 4))
        first = Weight(name="first", share={"w": made}, stages={"w": ["noise(0.1)"]})
        second = Weight(name="second", share={"w": first.ref("w")})
        plain = Weight(name="plain", share={"w": first.ref("w").weight})
        return first(), second(), plain()

    first, second, plain = tn.transform(given_value).apply({}, KEY)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(plain, jnp.ones((4, 4)))
    assert not jnp.any(first == 1)


def test_an_initialiser_that_reads_the_inputs_has_stages_too():
    def f(x):
        w = tn.get_parameter("w", (4, 4), init=lambda s, d: x * 2, stages=["weight_norm", "noise(0.1)"])
        return x @ w

    model = tn.transform(f)
    params = model.init(0, X)
    np.testing.assert_array_equal(params["~"]["w"], 2 * X)
    np.testing.assert_allclose(params["~"]["w.weight_norm.scale"], 2 * jnp.ones(4), rtol=1e-6)


def test_on_use_stages_of_the_owner_are_not_seen_by_borrowers():
    params, first, second = seen(tn.transform(two(owner=[tn.on_use("noise(0.1)")])))
    np.testing.assert_array_equal(second.T, params["first"]["w"])
    assert not jnp.any(first == second.T)


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


# Random stacks of stages × views × users

FORMS = ["symmetric", "positive", "triangular", "orthogonal", "low_rank(2)"]  # not every weight has the form
FREE = ["weight_norm", "weight_norm(axis=0, name='rows')", "lora(2, freeze=False)"]
STOCHASTIC = ["noise(0.1)", "noise(0.2, relative=True, name='more')", "dropout(0.3)", "variational(0.1)"]
VIEWS = ["", " | transpose", " | scale(0.5)", " | reshape(2, 8) | reshape(4, 4)", " | permute(1, 0)", " | slice(0, 4)"]


@some.composite
def programs(draw):
    structural = some.lists(some.sampled_from(FREE), max_size=3, unique=True) | some.sampled_from(FORMS).map(
        lambda s: [s]
    )
    stages = draw(structural) + draw(some.lists(some.sampled_from(STOCHASTIC), max_size=3, unique=True))
    return stages, draw(some.lists(some.sampled_from(VIEWS), max_size=4))


def owner_and_users(stages, uses):
    owner = Weight(name="owner", stages={"w": stages})
    return [owner()] + [Weight(name=f"u{i}", share={"w": "owner/w" + v})() for i, v in enumerate(uses)]


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


ANYTHING = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats()
    | some.text(max_size=8)
    | some.sampled_from(FORMS + FREE),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=4), inner, max_size=2),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(ANYTHING, some.sampled_from(["owner/w", "**/w", "u0/w", "/", "w@", "**"]))
def test_whatever_stands_in_stages_builds_or_is_a_tenure_error(stages, key):
    try:
        tn.transform(lambda: owner_and_users([], [""]), stages={key: stages}).plan()
    except tn.TenureError as e:
        assert e.ways


@settings(max_examples=60, deadline=None)
@given(some.lists(some.sampled_from(FORMS + FREE + STOCHASTIC + ["standardise", "quantise(packed=True)"]), max_size=4))
def test_any_list_of_stages_works_or_is_a_tenure_error(stages):
    model = tn.transform(lambda: owner_and_users(stages, [" | transpose"]))
    try:
        params = model.init(0)
    except tn.TenureError as e:
        assert e.ways
        return
    first, second = model.apply(params, KEY)
    np.testing.assert_array_equal(first.T, second)
