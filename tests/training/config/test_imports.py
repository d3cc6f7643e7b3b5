"""The modules that configs import are there while a config is loaded."""

import sys

import pytest

from tenure.network.dims import Dim
from tenure.training.config import from_command_line
from tests.training.config.written import IMPORTS, config_of


def test_the_names_that_configs_import_are_there_while_it_is_loaded_and_only_then(tmp_path):
    before = set(sys.modules)
    config = config_of(tmp_path, IMPORTS, "++beam", "12")
    assert config.typed["beam"] == 12
    assert isinstance(config.typed["tag"], Dim) and config.typed["tag"].kind == "spatial"
    assert config.typed["scale"](3) == pytest.approx(0.3)
    assert config.typed["transform"](-2.0, None) == 2.0
    assert not {name.partition(".")[0] for name in set(sys.modules) - before} & {"TFUtil", "returnn", "Pretrain"}


def test_nothing_stays_behind(tmp_path):
    import sys

    path = tmp_path / "a.py"
    path.write_text("import returnn.tf.util.basic\nimport TFUtil\n")
    before = set(sys.modules)
    from_command_line([str(path)])
    assert not {m for m in set(sys.modules) - before if m.startswith(("returnn", "TFUtil", "tensorflow"))}
