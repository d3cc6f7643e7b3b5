"""TensorFlow's cells: zoneout in training and outside of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.core.errors import TenureError
from tenure.network import cells
from tests.network.cells.equations import standard, values
from tests.network.layers.running import output


def test_zoneout_keeps_units_in_training_and_mixes_otherwise():
    options = {"zoneout_factor_cell": 0.5, "zoneout_factor_output": 0.25}
    x, state = jnp.ones((1, 400, 2)), {"c": jnp.full((400, 3), 5.0), "h": jnp.full((400, 3), 7.0)}
    quiet, noisy = (cells.make("zoneoutlstm", 3, options, training=t) for t in (False, True))
    params = values(quiet, 2)
    plain, _ = standard(jax.tree.map(np.asarray, params), np.ones((400, 2)), {"c": 5.0, "h": np.full((400, 3), 7.0)})
    y, last = cells.run(quiet, params, x, None, state)
    assert np.allclose(y[0], 0.75 * plain + 0.25 * 7, atol=1e-5)
    _, last = cells.run(noisy, params, x, None, state, key=jax.random.key(0))
    assert np.mean(last["c"] == 5) == pytest.approx(0.5, abs=0.06)
    assert np.mean(last["h"] == 7) == pytest.approx(0.25, abs=0.06)
    old = cells.make("zoneoutlstm", 3, {**options, "use_zoneout_output": False})
    assert np.allclose(cells.run(old, params, x, None, state)[0][0], plain, atol=1e-5)


@pytest.mark.parametrize("option", [{"forget_bias": 0.5}, {"cell_clip": 0.1}, {"activation": "relu"}])
def test_zoneout_is_all_that_its_unit_takes(option):
    with pytest.raises(TenureError, match="no option"):
        output({"class": "rec", "unit": "zoneoutlstm", "unit_opts": option, "n_out": 3})
