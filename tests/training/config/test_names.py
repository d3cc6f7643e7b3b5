"""The names that published configs import."""

import jax
import numpy as np
import pytest

import tenure as tn
from tenure.functional import transducer_loss
from tenure.network.tf.utilities import UTILITIES
from tenure.training.config import Config, from_command_line
from tenure.training.config.names import members
from tenure.training.errors import ConfigError

IMPORTED = """
Pretrain.WrapEpochValue TFUtil.where_bc TFUtil.Data TFUtil.DimensionTag TFUtil.nd_indices TFUtil.tile_transposed TFUtil.get_shape TFUtil.dropout
TFUtil.get_rnnt_linear_aligned_output TFUtil.OpCodeCompiler TFUtil.get_shared_vocab
GeneratingDataset.Vocabulary Util.cleanup_env_var_path Util.get_login_username returnn.config.get_global_config returnn.tf.compat.v1.while_loop tensorflow.device
tensorflow.control_dependencies tensorflow.summary tensorflow.segment_min tensorflow.TensorShape tensorflow.name_scope tensorflow.meshgrid returnn.tf.util.data.SpatialDim
returnn.tf.util.data.FeatureDim returnn.tf.util.data.batch_dim returnn.tensor.Dim returnn.tensor.batch_dim
""".split()  # what configs import, and Tenure has
REFUSED = """
TFUtil.create_random_warp_flow_2d TFUtil.dense_image_warp LmDataset.Lexicon HyperParamTuning.HyperParam
TFNetworkRecLayer.SelectSearchSourcesLayer TFNetworkLayer.register_layer_class returnn.tf.layers.basic.auto_register_layer_classes
""".split()
GENERAL = "write it with jax.numpy"  # the way out of a name that nobody publishes


@pytest.mark.parametrize("where", ["", "    "], ids=["at once", "in a function"])
def test_every_name_is_there_or_is_refused_when_it_is_used(tmp_path, where):
    lines = ["#!rnn.py", "def names():" if where else "if True:"]
    for number, name in enumerate([*IMPORTED, *REFUSED]):
        module, _, last = name.rpartition(".")
        lines.append(f"    from {module} import {last} as n{number}")
    lines.append("    return dict(locals())" if where else "    pass")
    path = tmp_path / "names.py"
    path.write_text("\n".join(lines))
    config = from_command_line([str(path)])
    found = config.typed["names"]() if where else config.typed
    for number, name in enumerate([*IMPORTED, *REFUSED]):
        value = found[f"n{number}"]
        if name in IMPORTED:
            assert not repr(value).endswith("which Tenure does not have⟩"), name
        else:
            with pytest.raises(ConfigError, match=f"the config uses '{name}', which Tenure does not have") as error:
                value("x")
            assert GENERAL not in str(error.value), name


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


def test_configs_import_the_same_functions_as_their_functions_do():
    for name in ("TFUtil", "returnn.tf.util.basic"):
        found = members(name, Config())
        assert found["dropout"] is UTILITIES["dropout"] and found["sequence_mask"] is UTILITIES["sequence_mask"]


def test_horovod_has_one_process(tmp_path):
    path = tmp_path / "setup.py"
    path.write_text("""#!rnn.py
use_horovod = config.bool("use_horovod", False)
import TFHorovod
from returnn.tf import horovod
found = [hvd and (hvd.rank(), hvd.local_rank(), hvd.size(), hvd.local_size()) for hvd in (TFHorovod.get_ctx(config=config), horovod.get_ctx())]
""")
    assert from_command_line([str(path)]).typed["found"] == [None, None]
    assert from_command_line([str(path), "++use_horovod", "1"]).typed["found"] == [(0, 0, 1, 1)] * 2
