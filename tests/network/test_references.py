"""Options that name layers and inputs."""

import pytest

import tenure.network as network
from tenure.network.errors import LayerNotFoundError
from tests.network.layers.running import BATCH, X, data


@pytest.mark.parametrize("loss", [None, "ce"])
def test_a_search_minds_a_target_that_is_not_there_only_where_something_is_compared_with_it(loss):
    net = {"output": {"class": "activation", "activation": "softmax", "from": "data", "target": "bpe", "loss": loss}}
    made = network.Network(net, data(), behavior_version=0)
    for mode in ({"train": True}, {}, {"search": True}):
        if loss is None and "search" in mode:
            assert made.apply({}, {}, None, BATCH, search=True)[0].outputs["output"].data.shape == X.shape
            continue
        with pytest.raises(LayerNotFoundError, match="option 'target' names 'data:bpe'"):
            made.plan(**mode)
