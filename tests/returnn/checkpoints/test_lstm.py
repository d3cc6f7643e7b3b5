"""One LSTM's parameters in RETURNN's layout and in TensorFlow's."""

import jax
import numpy as np
import pytest

import tenure as tn
from tenure.returnn.checkpoints import CheckpointMismatchError, load


def flat(params):
    return {f"{module}/{name}": np.asarray(leaf) for module, leaves in params.items() for name, leaf in leaves.items()}


def nested(values):
    tree = {}
    for path, value in values.items():
        module, _, name = path.rpartition("/")
        tree.setdefault(module, {})[name] = value
    return tree


@pytest.mark.parametrize(("old", "new"), [("nativelstm2", "standardlstm"), ("standardlstm", "nativelstm2")])
def test_a_converted_lstm_computes_the_same(old, new):
    batch = {"data": np.random.RandomState(0).randn(2, 4, 2).astype("float32")}
    options = {"unit_opts": {"forget_bias": 0.0}}  # RETURNN's own cells have none
    nets = {}
    for unit in (old, new):
        layer = {
            "class": "rec",
            "unit": unit,
            "n_out": 3,
            "from": "data",
            **(options if unit == "standardlstm" else {}),
        }
        nets[unit] = tn.network({"output": layer}, {"data": {"dim": 2}}, behavior_version=0)
    params, state = nets[old].init(jax.random.key(0))
    other, _ = nets[new].init(jax.random.key(1))
    shapes = {name: value.shape for name, value in flat(other).items()}
    converted = nested(load(shapes, flat(params)))
    outputs = [
        nets[unit].apply(p, state, None, batch)[0].outputs["output"].data
        for unit, p in ((old, params), (new, converted))
    ]
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-6)


def test_an_unfit_kernel_is_told():
    values = {"l/rec/lstm_cell/kernel": np.ones((3, 7)), "l/rec/lstm_cell/bias": np.ones(7)}
    with pytest.raises(CheckpointMismatchError, match="cannot be made"):
        load({"l/rec/W": (1, 8), "l/rec/W_re": (2, 8), "l/rec/b": (8,)}, values)
