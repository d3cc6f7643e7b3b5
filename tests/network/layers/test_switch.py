"""Layers that choose between inputs."""

import numpy as np

from tests.network.layers.running import KEEP, X, output, run

POSITIVE = {"yes": {"class": "compare", "kind": "greater", "value": 0.0, "from": "data"}}


def test_each_entry_is_chosen_by_itself():
    result, _ = run(
        {**POSITIVE, "output": {"class": "switch", "condition": "yes", "true_from": "data", "false_from": -1.0}}
    )
    found = np.asarray(result.outputs["output"].batch_first().data)
    np.testing.assert_array_equal(found[KEEP], np.where(X > 0, X, -1)[KEEP])


def test_a_condition_that_is_known_takes_one_input():
    for condition in (True, False):
        options = {"class": "switch", "condition": condition, "true_from": "data", "false_from": 7.0}
        found, _ = output({**options, "from": []})
        np.testing.assert_array_equal(found, X if condition else 7)
