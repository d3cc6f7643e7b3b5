"""Self-attention and positions, whatever the order of axes."""

import numpy as np
import pytest

from tenure.core.errors import TenureError
from tenure.network import Dim, batch_dim, feature_dim
from tests.network.layers.running import LENGTHS, X, output


def test_self_attention_with_features_before_time():
    options = {"class": "self_attention", "num_heads": 2, "total_key_dim": 4, "n_out": 6, "from": "data"}
    plain, _ = output(options)
    turned = {
        "data": {"dims": [batch_dim(), feature_dim(5), Dim(None, "t")], "time_dim_axis": 2, "feature_dim_axis": 1}
    }
    other, tensor = output(options, inputs=turned, batch={"data": (X.transpose(0, 2, 1), LENGTHS)})
    assert tensor.feature_axis == 2
    np.testing.assert_allclose(other[0], plain[0], rtol=1e-5, atol=1e-6)


def test_positions_need_a_number_of_features():
    with pytest.raises(TenureError, match="n_out"):
        output({"class": "positional_encoding"})
    assert output({"class": "positional_encoding", "n_out": 4})[0].shape[-1] == 4
