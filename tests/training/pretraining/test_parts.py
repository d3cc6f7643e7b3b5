import numpy as np
import pytest

from tenure.training.pretraining.parts import Place, places

EXTERN = {"data": {"dim": 3}, "classes": (7, 1)}


def parts_of(net, name, *shape):
    return places(net, {name: np.zeros(shape)}, EXTERN)[name].parts


@pytest.mark.parametrize("local", ["W", "W_re", "b"])
def test_gates_of_an_own_cell(local):
    net = {"l": {"class": "rec", "unit": "lstm", "n_out": 2}}
    shape = (8,) if local == "b" else (3, 8)
    assert parts_of(net, f"l/rec/{local}", *shape)[-1] == (2, 2, 2, 2)


def test_cells_of_tensorflow_are_of_one_piece():
    net = {"l": {"class": "rec", "unit": "basiclstm", "n_out": 2}}
    assert parts_of(net, "l/rec/lstm_cell/kernel", 5, 8) == ((5,), (8,))


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        ({"class": "linear", "n_out": 4}, 4),
        ({"class": "softmax", "target": "classes"}, 7),
        ({"class": "eval", "eval": "source(0) * 2"}, 3),
        ({"class": "copy", "from": ["data", "data"]}, 6),
        ({"class": "reduce_out", "num_pieces": 3}, 1),
        ({"class": "constant", "out_type": {"dim": 5}}, 5),
    ],
    ids=lambda value: value["class"] if isinstance(value, dict) else "",
)
def test_inputs_that_a_linear_layer_joins(layer, size):
    net = {"a": layer, "out": {"class": "linear", "from": ["a", "data"], "n_out": 2}}
    assert parts_of(net, "out/W", size + 3, 2) == ((size, 3), (2,))


def test_inputs_whose_sizes_do_not_add_up_are_of_one_piece():
    net = {"out": {"class": "linear", "from": ["data", "unknown"], "n_out": 2}}
    assert parts_of(net, "out/W", 5, 2) == ((5,), (2,))
    net["out"]["from"] = ["data", "data"]
    assert parts_of(net, "out/W", 5, 2) == ((5,), (2,))


def test_layers_within_a_layer():
    inner = {"s": {"class": "linear", "from": ["prev:s", "data:source", "base:enc"], "n_out": 4}}
    net = {"enc": {"class": "linear", "n_out": 2}, "l": {"class": "rec", "unit": inner, "from": "enc"}}
    found = places(net, {"l/rec/s/W": np.zeros((8, 4))}, EXTERN)
    assert found == {"l/rec/s/W": Place("l", "s/W", ((4, 2, 2), (4,)))}


def test_a_layer_that_comes_back_to_itself_has_no_size():
    net = {"a": {"class": "copy", "from": "b"}, "b": {"class": "copy", "from": "prev:a"}}
    net["out"] = {"class": "linear", "from": "a", "n_out": 2}
    assert parts_of(net, "out/W", 3, 2) == ((3,), (2,))


def test_a_layer_under_a_mask_reads_what_the_masked_computation_reads():
    linear = {"class": "linear", "n_out": 2, "from": ["data", "other"]}
    masked = {"class": "masked_computation", "mask": "mask", "from": "enc"}
    net = {
        "enc": {"class": "linear", "n_out": 4},
        "other": {"class": "linear", "n_out": 5},
        "one": {**masked, "unit": linear},
        "several": {**masked, "unit": {"class": "subnetwork", "from": "data", "subnetwork": {"x": {**linear, "from": ["data", "base:other"]}}}},
        "out": {"class": "linear", "from": ["one", "data"], "n_out": 2},
    }  # fmt: skip
    shapes = {"one/W": (9, 2), "several/x/W": (9, 2), "out/W": (5, 2)}
    found = places(net, {name: np.zeros(shape) for name, shape in shapes.items()}, EXTERN)
    assert {name: place.parts[0] for name, place in found.items()} == {
        "one/W": (4, 5),
        "several/x/W": (4, 5),
        "out/W": (2, 3),
    }
    assert [(p.layer, p.local) for p in found.values()] == [("one", "W"), ("several", "x/W"), ("out", "W")]
