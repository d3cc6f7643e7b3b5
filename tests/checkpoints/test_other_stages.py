"""Stages that differ between a file and a model."""

import jax
import pytest

import tenure as tn
from tenure.checkpoints import errors
from tests.checkpoints.models import equal
from tests.checkpoints.two_weights import X, staged, two


def test_an_adapted_file_into_a_plain_model_names_its_leaves_and_offers_merge(tmp_path):
    model = staged("lora(2)")
    plan = model.plan(X)
    params = model.init(jax.random.key(0), X)
    path = tn.save(tmp_path / "a", plan, params)
    alone = tn.save(tmp_path / "b", plan, params, only="@lora")
    for file in (path, alone):
        with pytest.raises(errors.StagedFileError) as caught:
            tn.restore(file, staged().plan(X))
        for text in ("embed/w.lora.down", "embed/w.lora.up", "tn.merge(plan, params, 'embed/w', 'lora')"):
            assert text in str(caught.value)
    merged = tn.merge(plan, params, "embed/w")
    plain = tn.transform(two("transpose"), ties={"head/w": "embed/w | transpose"}, stages=merged.stages).plan(X)
    assert equal(tn.restore(tn.save(tmp_path / "c", plain, merged.params), staged().plan(X)).params, merged.params)


def test_other_stages_are_an_error_that_names_both(tmp_path):
    model = staged("weight_norm")
    path = tn.save(tmp_path / "a", model.plan(X), model.init(jax.random.key(0), X))
    for other in (staged("low_rank(2)"), staged("weight_norm(0)")):
        with pytest.raises(errors.StagedFileError, match="weight_norm"):
            tn.restore(path, other.plan(X))
    with pytest.raises(errors.StagedFileError, match=r"w\.weight_norm\.scale"):
        tn.restore(path, staged().plan(X))
    untied = tn.transform(two("transpose"), stages={"embed/w": ["weight_norm"]}).plan(X)
    with pytest.raises(errors.StagedFileError, match="tied otherwise"):
        tn.restore(path, untied)


def test_stages_that_act_in_training_only_change_nothing(tmp_path):
    model = staged("noise(0.1)")
    params = model.init(jax.random.key(0), X)
    path = tn.save(tmp_path / "a", model.plan(X), params)
    assert equal(tn.restore(path, staged().plan(X)).params, params)
