"""Configs: what they may import, what is refused, what is taken for a slip of the pen."""

import sys

import pytest

from tenure.network.dims import Dim
from tenure.training.config import from_command_line
from tenure.training.config.keys import check_keys
from tenure.training.errors import ConfigError


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


def test_the_names_that_configs_import_are_there_while_it_is_loaded_and_only_then(tmp_path):
    before = set(sys.modules)
    config = config_of(tmp_path, IMPORTS, "++beam", "12")
    assert config.typed["beam"] == 12
    assert isinstance(config.typed["tag"], Dim) and config.typed["tag"].kind == "spatial"
    assert config.typed["scale"](3) == pytest.approx(0.3)
    assert config.typed["transform"](-2.0, None) == 2.0
    assert not {name.partition(".")[0] for name in set(sys.modules) - before} & {"TFUtil", "returnn", "Pretrain"}


def test_what_cannot_be_had_is_refused_by_name_when_it_is_used(tmp_path):
    config = config_of(tmp_path, IMPORTS)
    with pytest.raises(ConfigError, match=r"uses 'TFUtil.OpCodeCompiler'(.|\n)*jax\.numpy"):
        config.typed["OpCodeCompiler"](base_name="x")


def test_a_class_of_tensorflow_can_be_written_but_not_made(tmp_path):
    text = "#!rnn.py\nfrom TFNetworkLayer import LayerBase\nclass Mine(LayerBase):\n  layer_class = 'mine'\n"
    config = config_of(tmp_path, text)
    with pytest.raises(ConfigError, match="tenure.network.registry.layer"):
        config.typed["Mine"]()


def test_a_missing_file_names_what_is_there(tmp_path):
    (tmp_path / "lstm.config").write_text("task train\n")
    with pytest.raises(ConfigError, match=r"no config file(.|\n)*lstm.config"):
        from_command_line([str(tmp_path / "lstn.config")])


def test_json_has_comments_and_typed_values(tmp_path):
    config = config_of(tmp_path, '{// lr\n"lr": 0.5, "page": "http://x", "n": null}', "++lr", "2")
    assert (config.typed["lr"], config.typed["page"], config.typed["n"]) == (2, "http://x", None)
    assert config_of(tmp_path, '// of 2016\n{"lr": 0.5}').typed["lr"] == 0.5


@pytest.mark.parametrize(
    "wrong, right", [("batchsize", "batch_size"), ("learning_rat", "learning_rate"), ("num_epoch", "num_epochs")]
)
def test_a_near_miss_is_an_error_with_the_suggestion(tmp_path, wrong, right):
    with pytest.raises(ConfigError, match=f"'{right}' is"):
        check_keys(config_of(tmp_path, f"#!rnn.py\n{wrong} = 3\n"))


def test_a_near_miss_that_the_config_itself_reads_is_none(tmp_path):
    assert check_keys(config_of(tmp_path, "#!rnn.py\nnum_epoch = 3\nnum_epochs = num_epoch * 2\n")) == []


def test_a_key_that_is_not_done_is_refused_only_when_it_says_something(tmp_path):
    check_keys(config_of(tmp_path, "#!rnn.py\nuse_horovod = False\n"))
    with pytest.raises(ConfigError, match=r"'use_horovod', which is not done(.|\n)*devices"):
        check_keys(config_of(tmp_path, "#!rnn.py\nuse_horovod = True\n"))
