"""Self-attention and positions, whatever the order of axes."""

import numpy as np
import pytest

from tenure.core.errors import TenureError
from tenure.network import Dim, batch_dim, feature_dim
from tests.network.layers.running import KEEP, LENGTHS, X, output, run


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


def test_relative_positions_in_a_loop_and_moved_out_of_it():
    """Shifts of keys by their distance: step by step, and for all steps at once."""
    unit = {
        "rel": {"class": "relative_positional_encoding", "n_out": 2, "clipping": 2, "from": "data:source"},
        "att": {"class": "self_attention", "num_heads": 2, "total_key_dim": 4, "n_out": 4, "attention_left_only": True, "key_shift": "rel", "from": "data:source"},
        "output": {"class": "copy", "from": "att"},
    }  # fmt: skip
    found = []
    for moves in (True, False):
        net = {"output": {"class": "rec", "from": "data", "unit": unit, "optimize_move_layers_out": moves}}
        found.append(np.asarray(run(net)[0].outputs["output"].batch_first().data)[KEEP])
    assert np.allclose(*found, atol=1e-5) and np.abs(found[0]).max() > 0.1
