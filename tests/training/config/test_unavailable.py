"""Names that Tenure does not have are refused when they are used."""

import pytest

from tenure.training.errors import ConfigError
from tests.training.config.written import config_of


def test_what_cannot_be_had_is_refused_by_name_when_it_is_used(tmp_path):
    config = config_of(tmp_path, "#!rnn.py\nfrom TFUtil import dense_image_warp\n")
    with pytest.raises(ConfigError, match=r"uses 'TFUtil.dense_image_warp'(.|\n)*time warping has no counterpart"):
        config.typed["dense_image_warp"]("x")


def test_a_class_of_tensorflow_can_be_written_but_not_made(tmp_path):
    text = "#!rnn.py\nfrom TFNetworkLayer import LayerBase\nclass Mine(LayerBase):\n  layer_class = 'mine'\n"
    config = config_of(tmp_path, text)
    with pytest.raises(ConfigError, match="tenure.network.registry.layer"):
        config.typed["Mine"]()
