"""Networks that are parts of a network, built up from the input."""

import pytest

from tenure.training.pretraining.construct import PretrainError, from_input, from_output
from tenure.training.pretraining.plan import Pretraining
from tests.training.pretraining.growing import NET, layers, plan


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


def net(**sources):
    """A network of linear layers, those with a name like out1 softmaxes, by what they read; a name in capitals has no parameters."""
    kinds = {name: {"class": "softmax" if name.startswith("out") else "linear"} for name in sources}
    return {
        name: {**kinds[name], "from": list(of), **({"trainable": False} if name.isupper() else {})}
        for name, of in sources.items()
    }


def reads(nets, name):
    return [part[name]["from"] if name in part else None for part in nets]


def test_layers_are_cut_away_in_front_of_all_output_layers():
    whole = net(a=["data"], b=["a"], c=["b"], output=["c"], out2=["b"])
    assert reads(from_output(whole), "output") == [["a"], ["b"], ["c"]]
    assert reads(from_output(whole), "out2") == [["b"]] * 3  # not said to be an output: stays as it is
    own = net(a=["data"], c=["data"], output=["a"], out2=["c"])
    together = from_output(own, outputs=["output", "out2"])
    assert reads(together, "output") == [["a"]] and reads(together, "out2") == [
        ["c"]
    ]  # a network on the data is no step
    with pytest.raises(PretrainError, match="no layer that is left"):
        from_output(net(a=["data"], b=["a"], output=["b"], out2=["b"]), outputs=["output", "out2"])


def test_a_layer_in_between_is_not_a_step_of_its_own_without_parameters():
    whole = net(a=["data"], B=["a"], c=["B"], output=["c"])
    assert reads(from_output(whole), "output") == [["B"], ["c"]]
    assert [sorted(part) for part in from_input(whole)] == [["a", "output"], ["B", "a", "c", "output"]]


def test_outputs_read_the_nearest_layers_that_are_there():
    whole = net(a=["data"], b=["a"], c=["b"], output=["c", "data"], out2=["b"])
    found = from_input(whole)
    assert reads(found, "output") == [["a"], ["b"], ["c", "data"]] and reads(found, "out2") == [["a"], ["b"], ["b"]]


def test_layers_that_do_not_read_the_data_come_with_what_they_need():
    whole = {**net(a=["data"], b=["a"], output=["b"]), "dec": {"class": "rec", "from": [], "target": "classes"}}
    assert all("dec" in part for part in from_input(whole))
    with pytest.raises(PretrainError, match="reads 'nope'"):
        from_input(net(a=["data"], output=["nope"]))


def test_a_function_is_called_by_the_names_of_its_arguments():
    whole = net(a=["data"], output=["a"])
    made = plan_of(whole, lambda net_dict, idx: net_dict if idx < 2 else None)
    assert made.epochs == 3
    for wrong in (lambda idx: None, lambda idx, net_dict: "x", max):
        with pytest.raises(PretrainError, match="construction_algo"):
            plan_of(whole, wrong)


def plan_of(whole, algorithm, **options):
    return Pretraining.from_config({"network": whole, "pretrain": {"construction_algo": algorithm, **options}})


@pytest.mark.parametrize("repetitions", [-1, [2, -1], {"default": 0}])
def test_repetitions_below_nothing(repetitions):
    with pytest.raises(PretrainError, match="repetitions are"):
        plan_of(net(a=["data"], b=["a"], output=["b"]), "from_output", repetitions=repetitions)
