"""One case: a true record passes, and a changed one fails in its part."""

import copy

import numpy as np
import pytest

from tenure.returnn.replay import Case, check
from tests.returnn.replay.recorded import made, ref


def test_a_true_record_passes():
    verdict = check(Case(*made()))
    assert verdict.passed, verdict.problems
    assert verdict.layers == (1, 1)


def test_what_is_beyond_the_lengths_does_not_count():
    data, arrays = made()
    arrays["y"][1, 2] = 7
    assert check(Case(data, arrays)).passed


def change_value(data, arrays):
    arrays["y"][0, 0, 0] += 0.01


def change_dim(data, arrays):
    data["layers"]["output"]["output"]["dims"][2]["size"] = 3


def change_loss(data, arrays):
    data["losses"]["output"]["loss"] *= 1.001


def change_gradient(data, arrays):
    arrays["gb"][0] += 0.1


def more_params(data, arrays):
    data["params"].append({"name": "output/V", "shape": [2], "value": ref("b", arrays["b"])})


def other_shape(data, arrays):
    data["params"][1] = {"name": "output/b", "shape": [3], "value": ref("b", np.zeros(3))}


def other_class(data, arrays):
    data["net_dict"]["output"]["class"] = "softmx"


@pytest.mark.parametrize(
    "change, part",
    [
        (change_value, "layers"),
        (change_dim, "layers"),
        (change_loss, "losses"),
        (change_gradient, "grads"),
        (more_params, "params"),
        (other_shape, "params"),
        (other_class, "constructs"),
    ],
)
def test_a_changed_record_fails_in_its_part(change, part):
    data, arrays = made()
    change(data, arrays)
    verdict = check(Case(data, arrays))
    assert verdict.parts[part] is False and not verdict.passed
    assert verdict.problems[0].startswith(part)


def test_refusals_must_be_refused():
    data, _ = made()
    error = {**data, "kind": "error", "expected_error": {"message": "no"}}
    assert not check(Case(error, {})).passed
    assert check(Case({**error, "flags": ["returnn_weakness"]}, {})).passed
    wrong = copy.deepcopy(error)
    wrong["net_dict"]["output"]["from"] = "nope"
    assert check(Case(wrong, {})).passed
