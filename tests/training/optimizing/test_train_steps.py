"""RETURNN's recorded training steps: the same objectives and parameters after each step."""

import json

import jax
import numpy as np
import pytest

from tenure.returnn.replay import check, load
from tenure.training.errors import ConfigError
from tenure.training.optimizing.clipping import Clipping
from tenure.training.optimizing.updater import Updater
from tests.replay.cases import BESIDE as FOLDER
from tests.sample import sample

INDEX = FOLDER / "index.json"
ROWS = [r for r in json.loads(INDEX.read_text()) if r.get("kind") == "train_steps"] if INDEX.exists() else []


@pytest.mark.skipif(not ROWS, reason="no recorded cases beside the repository (TENURE_REPLAY names another folder)")
@pytest.mark.parametrize("row", sample(ROWS, 3, lambda row: row["id"]))
def test_steps(row):
    verdict = check(load(FOLDER / row["file"]))
    assert verdict.passed, "\n".join(verdict.problems)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"optimizer": {"class": "adamm"}}, "nearest names: adam"),
        ({"optimizer": {"class": "adam", "beta": 1}}, "has no option 'beta'"),
        ({"optimizer": 5}, "optimizer is 5"),
    ],
)
def test_what_cannot_be_used_is_refused(config, said):
    with pytest.raises(ConfigError, match=said):
        Updater(config, {"h": {"W": True}})


def test_options_of_a_layer_that_are_none_are_refused():
    with pytest.raises(ConfigError, match="updater_opts of layer 'h' have no 'learning_rate_multiplier'"):
        Updater({}, {"h": {"W": True}}, {"h": {"learning_rate_multiplier": 2}})


def test_gradients_that_are_no_numbers_can_count_as_zero():
    grads = {"a": np.float32([1, np.nan, np.inf])}
    assert Clipping(gradient_nan_inf_filter=True)(grads)["a"].tolist() == [1, 0, 0]


def test_a_norm_that_is_too_large_can_count_as_zero():
    grads = {"a": np.float32([3]), "b": np.float32([4])}
    assert Clipping(grad_norm_to_clip_to_zero=4.9)(grads)["a"].tolist() == [0]
    assert Clipping(grad_norm_to_clip_to_zero=5.1)(grads)["a"].tolist() == [3]


def test_noise_gets_less_with_the_steps():
    grads, key = {"a": np.zeros(10_000, "float32")}, jax.random.key(0)
    first, later = (Clipping(gradient_noise=1.0)(grads, key, step)["a"].std() for step in (0, 99))
    np.testing.assert_allclose([first, later], [1, 100**-0.275], rtol=0.05)
