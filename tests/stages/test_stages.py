"""Each stage by itself: what it does to a weight, its gradient, its way back, and that it changes nothing at first."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import tenure as tn
from tenure import stages as st
from tenure.core.notation.stage import Run, Spec

KEY = jax.random.key(3)
SQUARE = jax.random.normal(jax.random.key(1), (4, 4))
TALL = jax.random.normal(jax.random.key(2), (6, 3))


def model_of(weight, stages, with_state=False):
    """A model whose output is its one weight, after its stages."""
    make = tn.transform_with_state if with_state else tn.transform
    return make(lambda: tn.get_parameter("w", weight.shape, weight.dtype, lambda s, d: weight, stages=stages))


def value(stages, weight=TALL, key=KEY, model=None):
    model = model or model_of(weight, stages)
    return model.apply(model.init(0), key)


STRUCTURAL = [  # stage, a weight that it can make exactly
    (st.WeightNorm(), TALL),
    (st.WeightNorm(axis=0), TALL),
    (st.LowRank(2), TALL[:, :2] @ TALL[:2, :]),
    (st.LoRA(2, alpha=8.0), TALL),
    (st.LoRA(2, freeze=False, switchable=True), TALL),
    (st.Quantise(8), TALL),
    (st.Quantise(8, packed=True), jnp.array([[127, -5], [0, 127], [3, 90]]) * 0.5),
    (st.Quantise(4, packed=True), jnp.array([[7, -5], [0, 7], [-7, 6]]) * 0.25),
    (st.Symmetric(), SQUARE + SQUARE.T),
    (st.Triangular(), jnp.tril(SQUARE)),
    (st.Triangular(upper=True), jnp.triu(SQUARE)),
    (st.Orthogonal(), jnp.linalg.qr(TALL)[0]),
    (st.Orthogonal(), jnp.linalg.qr(TALL)[0].T),
    (st.Orthogonal(), jnp.linalg.qr(SQUARE)[0]),
    (st.Orthogonal(), -jnp.eye(3)),
    (st.Orthogonal("expm"), jnp.linalg.qr(TALL)[0]),
    (st.Positive(), jnp.abs(TALL)),
    (st.Positive("softplus"), jnp.abs(TALL)),
]


@pytest.mark.parametrize("stage, weight", STRUCTURAL, ids=lambda x: str(x) if isinstance(x, st.Stage) else "")
def test_initialiser_s_weight_is_kept_and_assign_then_read_gives_it_back(stage, weight):
    model = model_of(weight, [stage])
    plan, params = model.plan(), model.init(0)
    step = float(np.max(np.abs(weight))) / 254 if stage == st.Quantise(8) else 0.0
    np.testing.assert_allclose(jax.jit(model.apply)(params, KEY), weight, atol=2e-6 + step * 1.01)
    random = jax.tree.map(
        lambda a: a if a.dtype != jnp.float32 else jnp.asarray(np.asarray(a) + np.float32(0.1)), params
    )
    again = tn.assign(plan, random, {"~/w": weight})
    np.testing.assert_allclose(tn.weights(plan, again)["~"]["w"], weight, atol=3e-6 + step * 1.01)
    assert jax.tree.map(jnp.shape, again) == jax.tree.map(jnp.shape, params)


NEVER = [(st.Standardise(), TALL), (st.LowRank(1), TALL), (st.Symmetric(), SQUARE), (st.Triangular(), SQUARE)]
NEVER += [(st.Positive(), TALL), (st.Orthogonal(), TALL), (st.Quantise(4, packed=True), TALL)]
NEVER += [(st.Orthogonal("expm"), jnp.diag(jnp.array([-1.0, 1.0, 1.0])))]


@pytest.mark.parametrize("stage, weight", NEVER, ids=str)
def test_a_weight_that_a_stage_cannot_make_is_refused(stage, weight):
    model = model_of(jnp.eye(*weight.shape), [stage])
    with pytest.raises(tn.errors.NoInverseError, match="'~/w' can not be given this weight"):
        tn.assign(model.plan(), model.init(0), {"~/w": weight})


SMOOTH = [s for s, _ in STRUCTURAL if s.name != "quantise"]
SMOOTH += [st.Standardise(), st.Noise(0.1), st.Noise(0.1, relative=True), st.Dropout(0.4), st.Variational(0.1)]
SMOOTH += [st.LoRA(2, dropout=0.5, freeze=False), st.Noise(0.1, remat=True), st.WeightNorm(remat=True)]


@pytest.mark.parametrize("stage", SMOOTH, ids=str)
def test_gradients_match_finite_differences(stage):
    with jax.enable_x64(True):
        weight = (SQUARE if stage.name in ("symmetric", "triangular", "orthogonal") else TALL).astype(jnp.float64)
        model = model_of(weight, [stage])
        mask = model.plan().ledger.trainable()
        free, fixed = tn.partition(model.init(0), mask)
        free = jax.tree.map(lambda a: a + 0.1 * jnp.cos(jnp.arange(a.size, dtype=a.dtype)).reshape(a.shape), free)
        run = jax.jit(lambda p: model.apply(tn.combine(p, fixed), KEY))
        check_grads(run, (free,), order=1, modes=["rev"], rtol=1e-5)


def test_spectral_norm_gradient_matches_finite_differences_where_its_vectors_stand_still():
    with jax.enable_x64(True):
        model = tn.evaluation(model_of(TALL.astype(jnp.float64), [st.SpectralNorm(3)], with_state=True))
        params, state = model.init(0)
        u, s, v = np.linalg.svd(np.asarray(params["~"]["w"]))
        state = {"~": {"w.spectral_norm.u": jnp.asarray(v[0])}}  # at the fixed point the left vector does not move
        loss = lambda p: jnp.sum(jnp.sin(model.apply(p, state, None)[0]))  # noqa: E731
        check_grads(loss, (params,), order=1, modes=["rev"], rtol=1e-4)


def test_straight_through_gradient_is_that_of_the_identity():
    model = model_of(TALL, [st.Quantise(4)])
    grads = jax.grad(lambda p: jnp.sum(jnp.sin(model.apply(p, None))))(model.init(0))
    np.testing.assert_allclose(grads["~"]["w"], jnp.cos(model.apply(model.init(0), None)), atol=1e-6)


def test_weight_norm_is_direction_times_scale():
    model = model_of(TALL, [st.WeightNorm()])
    params = model.init(0)
    doubled = {"~": {"w": 3 * params["~"]["w"], "w.weight_norm.scale": jnp.array([1.0, 2.0, 3.0])}}
    np.testing.assert_allclose(jnp.linalg.norm(model.apply(doubled, None), axis=0), [1, 2, 3], rtol=1e-6)


def test_standardise_has_zero_mean_and_unit_variance():
    out = value([st.Standardise()])
    np.testing.assert_allclose(jnp.mean(out, 0), 0, atol=1e-6)
    np.testing.assert_allclose(jnp.var(out, 0), 1, rtol=1e-4)


def test_spectral_norm_converges_and_stands_still_in_evaluation():
    model = model_of(TALL, [st.SpectralNorm(n_steps=5)], with_state=True)
    params, state = model.init(0)
    for _ in range(30):
        out, state = model.apply(params, state, None)
    np.testing.assert_allclose(np.linalg.svd(out)[1][0], 1, rtol=1e-5)
    same, after = tn.evaluation(model).apply(params, state, None)
    np.testing.assert_allclose(same, out, rtol=1e-6)
    assert jax.tree.all(jax.tree.map(jnp.array_equal, after, state))


def test_ema_is_used_in_evaluation_only():
    model = model_of(TALL, [st.EMA(0.9)], with_state=True)
    params, state = model.init(0)
    moved = {"~": {"w": params["~"]["w"] + 1}}
    out, state = model.apply(moved, state, None)
    np.testing.assert_array_equal(out, moved["~"]["w"])
    average, again = tn.evaluation(model).apply(moved, state, None)
    np.testing.assert_allclose(average, TALL + 0.1, rtol=1e-5)
    np.testing.assert_array_equal(again["~"]["w.ema.average"], average)


@pytest.mark.parametrize("by", ["householder", "expm"])
@pytest.mark.parametrize("shape", [(5, 5), (6, 3), (3, 6), (1, 4), (4, 1)])
def test_orthogonal_stays_orthogonal_whatever_is_stored(by, shape):
    model = model_of(jnp.asarray(np.random.default_rng(3).normal(size=shape), "float32"), [st.Orthogonal(by)])
    stored = model.plan().params["~"]["w"].shape
    out = np.asarray(
        jax.jit(model.apply)({"~": {"w": np.random.default_rng(7).normal(size=stored).astype("float32")}}, None)
    )
    gram = out.T @ out if shape[0] >= shape[1] else out @ out.T
    np.testing.assert_allclose(gram, np.eye(min(shape)), atol=1e-5)


def test_counts_are_those_of_the_free_elements():
    for stage, count in ((st.Symmetric(), 10), (st.Triangular(), 10), (st.Orthogonal("expm"), 6), (st.LowRank(1), 8)):
        plan = model_of(SQUARE, [stage]).plan()
        assert plan.ledger.count() == count == sum(np.prod(a.shape) for a in jax.tree.leaves(plan.params))


@pytest.mark.parametrize("bits, bytes_", [(8, 64 * 64 + 64 * 4), (4, 32 * 64 + 64 * 4)])
def test_packed_weights_take_the_space_of_their_bits(bits, bytes_):
    weight = jax.random.normal(KEY, (64, 64))
    trained = model_of(weight, [st.Quantise(bits)])
    plan, params = trained.plan(), trained.init(0)
    packed = tn.pack(plan, params)
    model = tn.transform(lambda: tn.get_parameter("w", (64, 64), init=lambda s, d: weight), stages=packed.stages)
    np.testing.assert_array_equal(model.apply(packed.params, None), trained.apply(params, None))
    assert model.plan().ledger.bytes() == bytes_ == sum(a.nbytes for a in jax.tree.leaves(packed.params))
    assert not any(jax.tree.leaves(model.plan().ledger.trainable()))


def test_odd_numbers_of_rows_pack_too():
    weight = jax.random.normal(KEY, (5, 3))
    assert value([st.Quantise(4, packed=True)], weight).shape == (5, 3)
    np.testing.assert_array_equal(value([st.Quantise(4, packed=True)], weight), value([st.Quantise(4)], weight))


def test_noise_has_its_standard_deviation():
    weight = 2 * jax.random.normal(KEY, (200, 200))
    np.testing.assert_allclose(jnp.std(value(["noise(0.05)"], weight) - weight), 0.05, rtol=0.02)
    relative = value([st.Noise(0.05, relative=True)], weight) - weight
    np.testing.assert_allclose(jnp.std(relative), 0.05 * jnp.sqrt(jnp.mean(weight**2)), rtol=0.02)


def test_dropout_keeps_the_mean_and_leaves_biases_alone():
    weight = jnp.ones((200, 200))
    out = value(["dropout(0.25)"], weight)
    np.testing.assert_allclose(jnp.mean(out), 1, atol=0.01)
    np.testing.assert_allclose(jnp.mean(out == 0), 0.25, atol=0.01)
    bias = tn.transform(lambda: tn.get_parameter("b", (5,), init=jnp.ones), stages={"**": ["dropout(0.25)"]})
    np.testing.assert_array_equal(bias.apply(bias.init(None), KEY), jnp.ones(5))
    assert jnp.any(value([st.Dropout(0.5, min_ndim=1)], jnp.ones(50)) == 0)


def test_variational_noise_s_penalty_is_the_divergence():
    model = model_of(TALL, [st.Variational(0.3, prior=0.7, scale=2.0)])
    mean = np.asarray(TALL)
    samples = mean + 0.3 * np.random.default_rng(3).normal(size=(200_000, *mean.shape)).astype(np.float32)

    def log_density(x, mean, std):
        return -0.5 * ((x - mean) / std) ** 2 - np.log(std)

    estimate = np.sum(np.mean(log_density(samples, mean, 0.3) - log_density(samples, 0.0, 0.7), 0))
    np.testing.assert_allclose(tn.penalty(model.plan(), model.init(0)), 2 * estimate, rtol=0.01)


def test_penalties():
    def total(*stages):
        model = model_of(TALL, stages)
        return tn.penalty(model.plan(), model.init(0))

    np.testing.assert_allclose(total(st.L2(0.5)), 0.5 * jnp.sum(TALL**2), rtol=1e-6)
    np.testing.assert_allclose(total(st.L1(0.5)), 0.5 * jnp.sum(jnp.abs(TALL)), rtol=1e-6)
    np.testing.assert_allclose(total(st.Tikhonov(2.0)), 2 * jnp.sum((TALL[1:] - TALL[:-1]) ** 2), rtol=1e-6)
    np.testing.assert_allclose(total(st.Tikhonov(2.0, order=0)), 2 * jnp.sum(TALL**2), rtol=1e-6)
    np.testing.assert_allclose(
        total(st.WeightNorm(), st.L2(1.0), st.L1(1.0)), jnp.sum(TALL**2) + jnp.sum(jnp.abs(TALL)), rtol=1e-6
    )


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


EVERY = [
    "noise(0.05)", "noise(0.05, relative=True, name='second')", "dropout(0.1)", "variational", "weight_norm(axis=0)",
    "spectral_norm(2)", "standardise", "low_rank(3)", "lora(4, 8.0, dropout=0.1, name='french', switchable=True)",
    "quantise(4, packed=True)", "symmetric", "triangular(True)", "orthogonal('expm')", "positive('softplus')", "ema(0.99)",
    "l2(0.1)", "l1(0.1, min_ndim=2)", "tikhonov(0.1, 2, axis=1)", "on_use(dropout(0.1))", "noise(0.1, remat=True)",
]  # fmt: skip


@pytest.mark.parametrize("text", EVERY)
def test_string_data_and_json_are_one_thing(text):
    import copy
    import json
    import pickle

    stage = st.parse(text)
    assert st.parse(str(stage)) == stage == st.read(json.loads(json.dumps(stage.to_data())))
    assert st.Stage.from_json(stage.to_json()) == stage == copy.deepcopy(stage) == pickle.loads(pickle.dumps(stage))
    assert hash(st.parse(str(stage))) == hash(stage) and stage != st.Noise(0.123)


def test_every_stage_is_exported_and_tested_as_data():
    names = {cls.name for cls in st.Stage.registry.values() if cls.__module__.startswith("tenure.")}
    assert names == {st.parse(text).name for text in EVERY}
    assert {
        getattr(st, n).name
        for n in st.__all__
        if isinstance(getattr(st, n), type) and issubclass(getattr(st, n), st.Stage)
    } >= names


@pytest.mark.parametrize("weight", [TALL.astype(jnp.bfloat16), TALL.astype(jnp.float16)], ids=["bfloat16", "float16"])
def test_small_dtypes_stay_what_they_are(weight):
    small = jax.jit(lambda stage: value([stage], weight), static_argnums=0)
    for stage in [
        "noise(0.05)",
        "weight_norm",
        "lora(2)",
        "dropout(0.1)",
        "quantise",
        "standardise",
        "low_rank(2)",
        "variational",
    ]:
        assert small(stage).dtype == weight.dtype, stage


def test_a_stage_of_one_s_own():
    @st.define
    class Clip(st.Stage):
        name, signature = "clip_for_tests", {"limit": float}

        def forward(self, value, parts, run):
            return jnp.clip(value, -self.arguments["limit"], self.arguments["limit"])

    try:
        np.testing.assert_array_equal(value(["clip_for_tests(0.5)"]), jnp.clip(TALL, -0.5, 0.5))
        assert Run(True, True, lambda _: KEY, Spec((1,), jnp.float32)).updates == {}
    finally:
        del st.Stage.registry["clip_for_tests"]
