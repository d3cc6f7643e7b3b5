"""What goes over from one network to the next."""

import numpy as np
import pytest

from tenure.training.pretraining.carry import carried
from tenure.training.pretraining.construct import PretrainError
from tests.training.pretraining.growing import plan


def values(net, seed):
    rng, size, found = np.random.default_rng(seed), 3, {}
    for name in (k for k in ("a", "b", "c", "output") if k in net):
        out = net[name].get("n_out", 2)
        found |= {f"{name}/W": rng.normal(size=(size, out)), f"{name}/b": rng.normal(size=out)}
        size = out
    return found


def move(mode, **options):
    nets = [plan().network(epoch) for epoch in (1, 2)]
    old, new = values(nets[0], 1), values(nets[1], 2)
    extern = {"data": {"dim": 3}, "classes": {"dim": 2, "sparse": True}}
    return old, new, carried(nets[0], old, nets[1], new, extern, mode=mode, **options)


def test_what_both_networks_have_is_copied_in_part():
    old, new, found = move("subset")
    np.testing.assert_array_equal(found["a/W"][:, :2], old["a/W"])
    np.testing.assert_array_equal(found["a/W"][:, 2:], new["a/W"][:, 2:])
    np.testing.assert_array_equal(found["b/W"], new["b/W"])
    np.testing.assert_array_equal(found["output/W"][:2], old["output/W"])


def test_modes_and_the_output_layer():
    old, new, found = move("ifpossible")
    np.testing.assert_array_equal(found["a/W"], new["a/W"])  # another shape
    np.testing.assert_array_equal(found["output/b"], old["output/b"])  # the same shape
    np.testing.assert_array_equal(move("ifpossible", output=False)[2]["output/b"], new["output/b"])
    np.testing.assert_array_equal(move("reset")[2]["output/b"], new["output/b"])
    with pytest.raises(PretrainError, match="has another shape in the next network"):
        move(None, growing=False)


def test_a_mode_that_there_is_not_is_refused_in_a_network_too():
    with pytest.raises(PretrainError, match="copy_param_mode is 'subsets'"):
        move("subsets")
    old, extern = values({"output": {}}, 1), {"data": {"dim": 3}, "classes": {"dim": 2, "sparse": True}}
    net = {"output": {"class": "softmax", "n_out": 2, "from": "data"}}
    with pytest.raises(PretrainError, match="#copy_param_mode is 'all'"):
        carried(net, old, {**net, "#copy_param_mode": "all"}, old, extern)
