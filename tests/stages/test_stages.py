"""Each stage by itself: what it does to a weight, its gradient, its way back, and that it changes nothing at first."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import tenure as tn
from tenure import stages as st
from tenure.core.notation.stage import Run, Spec
from tests.stages.cases import KEY, SMOOTH, SQUARE, STRUCTURAL, TALL, model_of, value


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
