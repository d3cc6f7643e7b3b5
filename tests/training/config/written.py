"""Configs as files."""

from tenure.training.config import from_command_line


def config_of(tmp_path, text, *arguments, name="c.config"):
    path = tmp_path / name
    path.write_text(text)
    return from_command_line([str(path), *arguments])


IMPORTS = """#!rnn.py
import tensorflow as tf
from returnn.tf.compat import v1 as tf_v1
import returnn.tf.compat.v1 as tf_compat
from TFUtil import where_bc, nd_indices, DimensionTag, OpCodeCompiler
from Pretrain import WrapEpochValue
from returnn.config import get_global_config
from returnn.tf.util.data import Data, SpatialDim
from Util import cleanup_env_var_path

beam = get_global_config().int("beam", 4)
tag = DimensionTag(kind=DimensionTag.Types.Spatial, description="t", dimension=None)
scale = WrapEpochValue(lambda epoch: 0.1 * epoch)
def transform(x, network): return tf.nn.relu(where_bc(x > 1, x, -x))
"""
