"""Parts of what other layers give."""

import numpy as np

from tests.network.layers.running import KEEP, run
from tests.network.objectives import LINEAR


def test_the_outputs_of_all_steps_by_a_layer():
    unit = {
        "s": {**LINEAR, "from": ["data:source", "prev:s"], "is_output_layer": True},
        "output": {"class": "copy", "from": "s"},
    }
    net = {"rec": {"class": "rec", "from": "data", "unit": unit}, "output": {"class": "copy", "from": "rec"}}
    net["all"] = {"class": "get_rec_accumulated", "from": "rec", "sub_layer": "s", "is_output_layer": True}
    result, _ = run(net)
    found, wanted = (np.asarray(result.outputs[k].batch_first().data) for k in ("all", "output"))
    assert np.array_equal(found[KEEP], wanted[KEEP]) and np.any(found)
