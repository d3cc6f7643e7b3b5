"""Recurrent highway networks: options of the cell."""

import jax
import numpy as np

from tenure.network import cells
from tests.network.layers.running import output


def test_seeds_of_dropout_are_read_and_say_nothing():
    unit = {"class": "rec", "unit": "rhn", "n_out": 3, "unit_opts": {"depth": 2, "dropout": 0.5, "dropout_seed": 1}}
    assert output(unit)[0].shape == (3, 6, 3)


def test_dropout_masks_are_the_same_in_all_steps():
    cell = cells.make("rhn", 50, {"dropout": 0.5}, training=True)
    noise = cell.fixed_noise(jax.random.key(0), (2, 50))
    assert set(np.unique(noise)) == {0.0, 2.0}
    weights = cells.make("nativelstm2", 3, {"rec_weight_dropout": 0.5}, training=True)
    assert weights.fixed_noise(jax.random.key(0), (2, 3)).shape == (3, 12)
