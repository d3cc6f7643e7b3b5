"""All frames so far, side by side."""

import numpy as np
import pytest

from tenure import TenureError
from tenure.network import Dim
from tests.network.layers.in_steps import RNN
from tests.network.layers.running import KEEP, LENGTHS, X, run


@pytest.mark.parametrize(
    "compiled, past", [(False, Dim(None, "past")), (True, Dim(None, "past")), (False, "stag:rec-history")]
)
def test_attention_of_a_decoder_to_what_it_has_so_far(compiled, past):
    """The dim that there is by default is found by its name."""
    own = {} if isinstance(past, str) else {"out_spatial_dim": past}
    unit = {
        **RNN,
        "past": {"class": "cum_concat", "from": "s", **own},
        "energy": {"class": "dot", "from": ["s", "past"], "reduce": "F"},
        "weights": {"class": "softmax_over_spatial", "from": "energy", "axis": past},
        "s2": {"class": "copy", "from": "s", "is_output_layer": True},
        "output": {"class": "dot", "from": ["weights", "past"], "reduce": past},
    }
    net = {
        "rec": {"class": "rec", "from": "data", "unit": unit},
        "s": {"class": "copy", "from": "rec/s2", "is_output_layer": True},
        "output": {"class": "copy", "from": "rec"},
    }
    result, _ = run(net, compiled=compiled)
    found, s = (np.asarray(result.outputs[k].batch_first().data, np.float64) for k in ("output", "s"))
    for b, n in enumerate(LENGTHS):
        for t in range(n):
            e = np.exp(s[b, : t + 1] @ s[b, t])
            assert np.allclose(found[b, t], (e / e.sum()) @ s[b, : t + 1], atol=1e-5)


def test_what_is_so_far_outside_of_its_loop_has_a_length_for_each_step():
    past = Dim(None, "past")
    unit = {**RNN, "output": {"class": "cum_concat", "from": "s", "out_spatial_dim": past}}
    net = {"rec": {"class": "rec", "from": "data", "unit": unit}}
    net["output"] = {"class": "reduce", "mode": "sum", "axis": past, "from": "rec"}
    net["s"] = {"class": "rec", "from": "data", "unit": {**RNN, "output": {"class": "copy", "from": "s"}}}
    net["s"]["reuse_params"] = "rec"
    net["sums"] = {"class": "cumsum", "axis": "T", "from": "s", "is_output_layer": True}
    result, _ = run(net)
    found, wanted = (np.asarray(result.outputs[k].batch_first().data) for k in ("output", "sums"))
    assert found.shape == X.shape and np.allclose(found[KEEP], wanted[KEEP], atol=1e-5)
    with pytest.raises(TenureError, match="cum_concat"):
        run({"output": {"class": "cum_concat", "from": "data", "out_spatial_dim": past}})
