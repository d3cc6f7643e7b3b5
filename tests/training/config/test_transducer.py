"""A transducer as configs write it: a joint network over frames and labels, and the loss of RETURNN's extension in a function."""

import jax
import numpy as np

import tenure as tn
from tenure.functional import transducer_loss
from tenure.training.config import from_command_line

CONFIG = """#!rnn.py
from returnn.extern.HawkAaronWarpTransducer import rnnt_loss


def transducer(source, **kwargs):
    logits, labels, frames = (source(i, as_data=True, auto_convert=False) for i in range(3))
    return rnnt_loss(
        logits.get_placeholder_as_batch_major(), labels.get_placeholder_as_batch_major(),
        frames.get_sequence_lengths(), labels.get_sequence_lengths(), blank_label=0,
    )


network = {
    "encoder": {"class": "rec", "unit": "nativelstm2", "n_out": 6, "from": "data"},
    "before": {"class": "prefix_in_time", "prefix": 0, "from": "data:classes"},
    "embed": {"class": "linear", "activation": None, "n_out": 5, "from": "before"},
    "prediction": {"class": "rec", "unit": "nativelstm2", "n_out": 6, "from": "embed"},
    "joint": {"class": "combine", "kind": "add", "from": ["encoder", "prediction"], "allow_broadcast_all_sources": True},
    "bent": {"class": "activation", "activation": "tanh", "from": "joint"},
    "logits": {"class": "linear", "activation": None, "n_out": 4, "from": "bent"},
    "output": {
        "class": "eval", "eval": transducer, "from": ["logits", "data:classes", "encoder"],
        "out_type": {"shape": (), "dim": None, "time_dim_axis": None, "feature_dim_axis": None}, "loss": "as_is",
    },
}
"""


def test_the_loss_is_that_of_the_grid_and_has_gradients(tmp_path):
    (tmp_path / "a.config").write_text(CONFIG)
    config = from_command_line([str(tmp_path / "a.config")])
    data = {"data": {"dim": 3}, "classes": {"dim": 4, "sparse": True}}
    net = tn.network(config.typed["network"], data, behavior_version=0)
    rng = np.random.default_rng(0)
    frames, lengths = np.array([7, 5]), np.array([3, 2])
    labels = rng.integers(1, 4, (2, 3))
    batch = {"data": (rng.normal(size=(2, 7, 3)).astype("float32"), frames), "classes": (labels, lengths)}
    params, state = jax.jit(net.init)(jax.random.key(0), batch)

    def objective(params):
        result = net.apply(params, state, None, batch, train=True, layers=["logits"])[0]
        return result.objective, result.outputs["logits"]

    (loss, logits), gradient = jax.jit(jax.value_and_grad(objective, has_aux=True))(params)
    assert logits.data.shape == (7, 4, 2, 4)  # frames, labels and one more, batch, classes
    expected = jax.jit(transducer_loss)(jax.numpy.moveaxis(logits.data, 2, 0), labels, frames, lengths)
    np.testing.assert_allclose(loss, expected.sum(), rtol=1e-5)
    assert all(np.abs(g).max() > 0 for g in jax.tree.leaves(gradient))
