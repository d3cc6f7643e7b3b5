"""Names of batch normalisation's variables, which RETURNN changed twice."""

import numpy as np

from tenure.returnn.checkpoints import load

OLD = {
    "bn/batch_norm/bn_bn_output_mean": np.ones((1, 1, 3)),
    "bn/batch_norm/bn_bn_output_variance": np.full((1, 1, 3), 2.0),
}


def test_newer_names_are_filled_from_older_ones():
    found = load({"bn/batch_norm/mean": (1, 1, 3), "bn/batch_norm/variance": (1, 1, 3)}, OLD)
    assert found["bn/batch_norm/variance"].tolist() == [[[2, 2, 2]]]
    found = load({"bn/batch_norm/v2_mean": (3,), "bn/batch_norm/v2_variance": (3,)}, OLD)
    assert found["bn/batch_norm/v2_mean"].tolist() == [1, 1, 1]
    middle = {"bn/batch_norm/mean": np.ones((1, 3))}
    assert load({"bn/batch_norm/v2_mean": (3,)}, middle)["bn/batch_norm/v2_mean"].shape == (3,)
