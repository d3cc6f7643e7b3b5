"""LSTMs with layer normalisation in all the places where it has been put."""

import jax
import numpy as np
import pytest

from tenure.network import cells
from tenure.network.cells import UnknownUnitError
from tests.network.cells.equations import values


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"global_norm": False},
        {"global_norm": False, "per_gate_norm": True},
        {"global_norm": False, "global_norm_joined": True, "with_concat": True, "hidden_norm": True},
        {"cell_norm_in_output": False, "forget_bias": 1.0},
    ],
)
def test_normalised_lstms_are_invariant_where_they_normalise(options):
    cell = cells.make("layernormvariantslstm", 4, options)
    params, x = values(cell, 3), jax.random.normal(jax.random.key(2), (3, 2, 3))
    y, last = cells.run(cell, params, x)
    assert y.shape == (3, 2, 4) and np.all(np.isfinite(y))
    if cell.global_norm:
        louder = {**params, "W_re": params["W_re"] * 7, "W_ff": params["W_ff"] * 3}
        assert np.allclose(cells.run(cell, louder, x)[0], y, atol=1e-4)
    if options.get("forget_bias"):
        assert cell.params(3)["beta_input_below"].init == 1.0


def test_norms_that_exclude_each_other():
    with pytest.raises(UnknownUnitError, match="only one of"):
        cells.make("layernormvariantslstm", 3, {"per_gate_norm": True})
