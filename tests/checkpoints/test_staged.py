"""Plain weights go through a model's stages while they are loaded."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.checkpoints import errors
from tenure.core.errors import NoInverseError
from tests.checkpoints.models import equal
from tests.checkpoints.two_weights import EMBED, X, plan_of, saved, staged, two


@pytest.mark.parametrize("stage", ["weight_norm", "quantise(8)", "lora(2)", "low_rank(2)", "noise(0.1)"])
@pytest.mark.parametrize("file", ["tied", "equal", "owner", "user"])
def test_plain_weights_into_a_model_with_stages(stage, file, tmp_path):
    saved("transpose", file, tmp_path / "a")
    model = staged(stage)
    plan, fresh = model.plan(X), model.init(jax.random.key(0), X)
    found = tn.restore(tmp_path / "a", plan, params=fresh)
    weight = tn.weights(plan, found.params)["embed"]["w"]
    assert np.allclose(weight, EMBED, atol=EMBED.max() / 254 if stage.startswith("quantise") else 1e-6)
    assert ("embed/w" in found.report.of("assigned")) == (stage != "noise(0.1)")
    if stage != "lora(2)":  # an adapter starts with random numbers, which a file of plain weights does not have
        assert equal(tn.restore(tmp_path / "a", plan).params, found.params)
    else:
        assert equal(found.params["embed"]["w.lora.down"], fresh["embed"]["w.lora.down"])
        with pytest.raises(errors.StagedFileError, match="params=model.init"):
            tn.restore(tmp_path / "a", plan)


def test_a_weight_that_a_stage_can_not_make_is_told_as_that(tmp_path):
    """Not as a view that does not fit: `low_rank` stores another shape than its weight's."""
    weight = jnp.eye(4)[:, :3]
    plain = {"embed": {"w": weight}, "head": {"w": weight.T}}
    for name, only in (("both", None), ("user", "head/w")):
        tn.save(tmp_path / name, plan_of("transpose", "untied"), plain, only=only)
        with pytest.raises(NoInverseError, match="its rank is above 2"):
            tn.restore(tmp_path / name, staged("low_rank(2)").plan(X))


def test_plain_weights_and_an_adapter_that_is_trained():
    """`assign`: the adapter stays, and the weight is the given one."""
    model = staged("lora(2)")
    plan = model.plan(X)
    params = jax.tree.map(lambda s: jax.random.normal(jax.random.key(s.size), s.shape), plan.params)
    moved = tn.transfer(plan, {"embed": {"w": EMBED}}, params=params)
    assert np.allclose(tn.weights(plan, moved.params)["embed"]["w"], EMBED, atol=1e-6)
    assert equal(moved.params["embed"]["w.lora.up"], params["embed"]["w.lora.up"])


def test_an_adapter_alone_onto_its_base(tmp_path):
    model = staged("lora(2)")
    plan = model.plan(X)
    trained = jax.tree.map(lambda s: jax.random.normal(jax.random.key(s.size), s.shape), plan.params)
    path = tn.save(tmp_path / "adapter", plan, trained, only="@lora")
    base = jax.tree.map(jnp.zeros_like, trained) | {"embed": {"w": EMBED}}
    found = tn.restore(path, plan, params=base)
    adapter = {n: v for n, v in trained["embed"].items() if n != "w"}
    assert equal(found.params, {"embed": {"w": EMBED, **adapter}})
    assert equal(tn.transfer(plan, {"embed": adapter}, params=base).params, found.params)
    with pytest.raises(errors.ContentError, match="embed/w"):
        tn.restore(path, plan)


def test_an_adapter_for_one_use_starts_as_it_is(tmp_path):
    """The file knows nothing of it; the base is the file's."""
    ties = {"head/w": "embed/w | transpose"}
    adapted = tn.transform(two("transpose"), ties=ties, stages={"head/w": [tn.on_use("lora(2)")]})
    plan, fresh = adapted.plan(X), adapted.init(jax.random.key(0), X)
    tn.save(tmp_path / "a", plan_of("transpose", "tied"), {"embed": {"w": EMBED}})
    found = tn.restore(tmp_path / "a", plan, params=fresh)
    assert equal(found.params, {**fresh, "embed": {"w": EMBED}})
    assert set(found.report.of("missing")) == {"head/w.lora.down", "head/w.lora.up"}
    with pytest.raises(errors.ContentError, match=r"head/w\.lora\.down"):
        tn.restore(tmp_path / "a", plan)
    short = tn.save(tmp_path / "b", plan, found.params, only=["embed/w", "head/w.lora.down"])
    assert equal(tn.restore(short, plan, params=fresh).params, found.params)
