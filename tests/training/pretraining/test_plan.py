"""Pretraining, by hand: which network an epoch has, and what goes over from one to the next."""

import numpy as np
import pytest

from tenure.training.pretraining.carry import carried
from tenure.training.pretraining.construct import PretrainError
from tenure.training.pretraining.plan import Pretraining

LINEAR = {"class": "linear", "activation": "tanh", "n_out": 4}
NET = {
    "a": {**LINEAR, "from": "data"},
    "b": {**LINEAR, "from": "a"},
    "c": {**LINEAR, "from": "b"},
    "output": {"class": "softmax", "loss": "ce", "from": "c"},
}


def custom(index, net):
    """First a, then a and b, then all, each wider than the one before."""
    if index >= 2:
        return None
    kept = ["a", "b"][: index + 1]
    return {**{k: {**net[k], "n_out": 2 + index} for k in kept}, "output": {**net["output"], "from": kept[-1]}}


def plan(**options):
    return Pretraining.from_config({"network": NET, "pretrain": {"construction_algo": custom, **options}})


def layers(pretraining, epochs):
    return ["".join(sorted(k for k in pretraining.network(e) if k != "output")) for e in range(1, epochs + 1)]


def test_a_function_gives_networks_until_none_and_then_comes_the_whole_one():
    assert layers(plan(), 5) == ["a", "ab", "abc", "abc", "abc"] and plan().epochs == 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (2, [2, 2, 2]),
        ([1, 3], [1, 3, 3]),
        ({"default": 2, "final": 5}, [2, 2, 5]),
        ({0: 4}, [4, 1, 1]),
        ({-1: 3}, [1, 1, 3]),
    ],
)
def test_repetitions(given, expected):
    assert [stage.epochs for stage in plan(repetitions=given).stages] == expected


@pytest.mark.parametrize("given", [{"final": 2, 1: 2}, {3: 1}, [1, 2, 3, 4], "two"])
def test_repetitions_that_mean_nothing_are_refused(given):
    with pytest.raises(PretrainError):
        plan(repetitions=given)


def test_the_older_keys_and_an_option_that_is_none():
    lists = {name: {**options, "from": [options["from"]]} for name, options in NET.items()}
    config = {
        "network": lists,
        "pretrain": "default",
        "pretrain_repetitions": 2,
        "pretrain_construction_algo": "from_input",
    }
    assert layers(Pretraining.from_config(config), 6) == ["a", "a", "ab", "ab", "abc", "abc"]
    with pytest.raises(PretrainError, match="no option 'repetition'"):
        plan(repetition=2)


def test_greedy_freezes_what_was_there():
    greedy = plan(greedy=True, repetitions=2)
    assert [sorted(greedy.frozen(epoch)) for epoch in range(1, 8)] == [[], [], ["a"], ["a"], ["a", "b"], ["a", "b"], []]
    assert not any(plan().frozen(epoch) for epoch in range(1, 5))


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
