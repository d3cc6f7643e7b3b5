"""The states that recurrent layers start from, and those they leave."""

import jax
import numpy as np
import pytest

import tenure as tn
from tenure.core.errors import TenureError
from tests.network.layers.running import BATCH, KEEP, LABELS, LENGTHS, X, data, output, run


def test_states_go_from_layer_to_layer():
    net = {
        "a": {"class": "rec", "unit": "nativelstm2", "n_out": 3, "from": "data"},
        "s": {"class": "get_last_hidden_state", "key": "c", "n_out": 3, "from": "a"},
        "h": {"class": "get_last_hidden_state", "key": "h", "n_out": 3, "from": "a"},
        "b": {"class": "rec", "unit": "nativelstm2", "n_out": 3, "from": "data", "initial_state": {"c": "s", "h": "h"}},
        "c": {
            "class": "rec",
            "unit": "nativelstm2",
            "n_out": 3,
            "from": "data",
            "initial_state": "a",
            "reuse_params": "b",
        },
        "output": {"class": "copy", "from": ["b", "c"]},
    }
    outputs = run(net)[0].outputs
    last = np.asarray(outputs["a"].data)[LENGTHS - 1, np.arange(3)]
    assert np.allclose(outputs["h"].data, last, atol=1e-6)
    assert np.allclose(outputs["b"].data, outputs["c"].data, atol=1e-6)


def test_the_first_native_lstm_starts_from_zeros():
    with pytest.raises(TenureError, match="initial_state"):
        output({"class": "rec", "unit": "nativelstm", "n_out": 3, "initial_state": "ones"})


CELL = {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 3}
REC = {"class": "rec", "unit": "nativelstm2", "n_out": 3}
MODES = {"training": {"train": True}, "evaluation": {}, "search": {"losses": False, "search": True}}


def starts(net, **flags):
    """Where the learned starts are."""
    params, _ = tn.network(net, data()).init(jax.random.key(0), BATCH, **flags)
    names = {f"{m}/{n}".removeprefix("output/rec/") for m, of in params.items() for n in of}
    return {n for n in names if "/initial" in n}


@pytest.mark.parametrize("cell", [CELL, REC])
@pytest.mark.parametrize("mode", MODES)
def test_a_learned_start_is_named_after_where_the_cell_runs(cell, mode):
    """RETURNN's names: below `rec/` where the cell is moved out of the loop, beside it where it runs in each step."""
    cell = {**cell, "initial_state": {"c": "var", "h": "zeros"}}
    body = {
        "out": {**cell, "from": "data:source"},
        "in": {**cell, "from": ["data:source", "prev:in"]},
        "labelled": {**cell, "from": ["data:source", "words"]},
        "words": {"class": "linear", "n_out": 2, "from": "prev:output"},
        "p": {"class": "softmax", "from": ["in", "out", "labelled"], "n_out": 4},
        "output": {"class": "choice", "from": "p", "beam_size": 2, "target": "classes", "initial_output": 0},
        "ce": {"class": "softmax", "from": "p", "loss": "ce", "target": "classes", "is_output_layer": True},
    }
    rec = {"class": "rec", "from": "data", "target": "classes", "unit": body}
    labelled = "labelled/initial_c" if mode == "search" else "labelled/rec/initial_c"
    assert starts({"output": rec}, **MODES[mode]) == {"out/rec/initial_c", "in/initial_c", labelled}
    kept = {"output": {**rec, "optimize_move_layers_out": False}}
    assert starts(kept, **MODES[mode]) == {"out/initial_c", "in/initial_c", "labelled/initial_c"}


def test_a_cell_over_another_sequence_has_its_start_among_its_parameters():
    body = {
        "s": {**REC, "initial_state": "var", "from": "base:other"},
        "output": {"class": "linear", "n_out": 2, "from": ["mean", "data:source"]},
        "mean": {"class": "reduce", "mode": "mean", "axis": "T", "from": "s"},
    }
    other = {"class": "linear", "n_out": 2, "from": "classes2"}
    rec = {"class": "rec", "from": "data", "unit": body, "optimize_move_layers_out": False}
    inputs, batch = {**data(), "classes2": {"dim": 3}}, {**BATCH, "classes2": (X[:, :5, :3], LENGTHS - 1)}
    net = {"other": {**other, "from": "data:classes2"}, "output": rec}
    params, _ = tn.network(net, inputs).init(jax.random.key(0), batch)
    assert {"rec/initial_c", "rec/initial_h"} <= {f"rec/{n}" for n in params["output/rec/s/rec"]}


@pytest.mark.parametrize("moved", [True, False])
def test_a_cell_in_a_loop_gives_what_it_gives_outside(moved):
    """A constant input is the same in all steps, and `prev:` of a cell is its start in the first one."""
    body = {
        "s": {**REC, "initial_state": "ones", "from": "data:source"},
        "still": {**REC, "from": "base:mean"},
        "output": {"class": "copy", "from": ["s", "prev:s", "still"]},
    }
    net = {
        "mean": {"class": "reduce", "mode": "mean", "axis": "T", "from": "data"},
        "output": {"class": "rec", "from": "data", "unit": body, "optimize_move_layers_out": moved},
        "whole": {**REC, "initial_state": "ones", "from": "data", "is_output_layer": True},
    }
    model = tn.network(net, data())
    params, state = model.init(jax.random.key(0), BATCH)
    params = {**params, "whole/rec": params["output/rec/s/rec"]}
    result, _ = model.apply(params, state, None, BATCH, layers=("*",))
    found, whole = (np.asarray(result.outputs[k].batch_first().data) for k in ("output", "whole"))
    inside = KEEP[..., None]
    np.testing.assert_allclose(found[..., :3] * inside, whole * inside, atol=1e-5)
    before = np.concatenate([np.ones((3, 1, 3)), whole[:, :-1]], axis=1)
    np.testing.assert_allclose(found[..., 3:6] * inside, before * inside, atol=1e-5)
    assert np.abs(np.diff(found[0, :, 6:], axis=0)).min() > 1e-5  # it goes on with what it keeps


@pytest.mark.parametrize("legacy", [True, False])
def test_states_of_a_cell_that_returnn_moves_out(legacy):
    """The state is that of each step; in RETURNN, where the cell is moved out of the loop, that after the last one."""
    body = {
        "s": {**REC, "from": "data:source"},
        "h": {"class": "get_last_hidden_state", "key": "h", "n_out": 3, "from": "s"},
        "output": {"class": "copy", "from": ["s", "h"]},
    }
    net = {"output": {"class": "rec", "from": "data", "unit": body}}
    model = tn.network(net, data(), **({"reuse": "legacy"} if legacy else {}))
    params, state = model.init(jax.random.key(0), BATCH)
    found = np.asarray(model.apply(params, state, None, BATCH)[0].outputs["output"].batch_first().data)
    outputs = found[..., :3]
    last = np.broadcast_to(outputs[np.arange(3), LENGTHS - 1][:, None], outputs.shape)
    wanted = last if legacy else outputs
    np.testing.assert_allclose(found[..., 3:] * KEEP[..., None], wanted * KEEP[..., None], atol=1e-5)


@pytest.mark.parametrize("legacy", [True, False])
def test_states_after_the_last_step_have_no_time(legacy):
    """Where they are read from outside of the loop, too."""
    body = {
        "s": {**REC, "from": "data:source"},
        "h": {"class": "get_last_hidden_state", "key": "h", "n_out": 3, "from": "s", "is_output_layer": True},
        "output": {"class": "copy", "from": "s"},
    }
    net = {"rec": {"class": "rec", "from": "data", "unit": body}, "output": {"class": "copy", "from": "rec/h"}}
    model = tn.network(net, data(), **({"reuse": "legacy"} if legacy else {}))
    params, state = model.init(jax.random.key(0), BATCH)
    outputs = model.apply(params, state, None, BATCH, layers=("*",))[0].outputs
    cells, found = (np.asarray(outputs[k].batch_first().data) for k in ("rec", "output"))
    wanted = cells[np.arange(3), LENGTHS - 1] if legacy else cells
    keep = 1 if legacy else KEEP[..., None]
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found * keep, wanted * keep, atol=1e-5)


def test_prev_of_a_cell_that_is_moved_out_has_a_start_of_its_own():
    """As in RETURNN: the first step sees the one beside the cell, which itself starts from the one among its parameters."""
    body = {"s": {**REC, "initial_state": "var", "from": "data:source"}, "output": {"class": "copy", "from": "prev:s"}}
    model = tn.network({"output": {"class": "rec", "from": "data", "unit": body}}, data())
    params, state = model.init(jax.random.key(0), BATCH)
    assert starts({"output": {"class": "rec", "from": "data", "unit": body}}) == {
        f"s/{where}initial_{part}" for where in ("", "rec/") for part in "ch"
    }
    params["output/rec/s"] = {**params["output/rec/s"], "initial_h": np.array([1.0, 2.0, 3.0], "float32")}
    found = model.apply(params, state, None, BATCH)[0].outputs["output"].batch_first().data
    np.testing.assert_allclose(found[:, 0], np.broadcast_to([1, 2, 3], (3, 3)))


def test_the_last_output_of_no_step_is_the_cells_start():
    body = {"s": {**CELL, "initial_state": "ones", "need_last": True, "from": "data:source"}}
    net = {
        "rec": {"class": "rec", "from": "data", "unit": {**body, "output": {"class": "copy", "from": "s"}}},
        "output": {"class": "rec_last_output", "rec_layer": "rec", "sub_layer_name": "s"},
    }
    lengths = np.array([6, 0, 1])
    batch = {"data": (X, lengths), "classes": (LABELS, lengths)}
    found = run(net, batch=batch)[0].outputs["output"].data
    np.testing.assert_allclose(found[1], 1)
    assert not np.allclose(found[0], 1)


@pytest.mark.parametrize("unit", ["lstm", "gru"])
@pytest.mark.parametrize("wrong", ["data", "sequence"])
def test_a_start_that_does_not_fit_names_the_option(unit, wrong):
    start = (
        {"class": "reduce", "mode": "mean", "axes": "T", "from": "data"}
        if wrong == "data"
        else {"class": "linear", "n_out": 3, "from": "data"}
    )
    loop = {"class": "rec", "unit": unit, "n_out": 3, "from": "data"}
    given = {"c": "start", "h": "start"} if unit == "lstm" else "start"
    with pytest.raises(TenureError, match="'output' .rec.: option 'initial_state' is .*no state of"):
        run({"start": start, "output": {**loop, "initial_state": given}})


@pytest.mark.parametrize("inputs", ["data:source", ["data:source", "prev:x"]])
def test_a_cell_in_a_loop_keeps_its_state_for_the_next_batch_wherever_it_runs(inputs):
    """Each step goes on from the one before; the next batch from the last step within each sequence."""
    cell = {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 3, "from": inputs, "initial_state": "keep_over_epoch"}
    x = np.random.RandomState(0).randn(2, 6, 4).astype("float32")
    found = []
    for moved in (True, False):
        loop = {
            "class": "rec",
            "from": "data",
            "unit": {"x": cell, "output": {"class": "copy", "from": "x"}},
            "optimize_move_layers_out": moved,
        }
        net = tn.network({"output": loop}, {"data": {"dim": 4}})
        params, state = net.init(jax.random.key(0), {"data": (x[:, :3], np.array([3, 3]))})

        def chunk(state, a, b, lengths, net=net, params=params):
            result, state = net.apply(params, state, None, {"data": (x[:, a:b], np.array(lengths))})
            return np.asarray(result.outputs["output"].data), state

        first, later = chunk(state, 0, 3, [3, 2])
        second, last = chunk(later, 3, 6, [3, 3])
        kept = {name: np.asarray(v) for of in last.values() for name, v in of.items()}
        assert {v.shape for v in kept.values()} == {(2, 3)}
        if inputs == "data:source":
            whole, _ = chunk(state, 0, 6, [6, 6])
            np.testing.assert_allclose(second[:, 0], whole[3:, 0], atol=1e-6)
        other = np.concatenate([x[1, :2], x[1, 3:]])[None]
        alone = np.asarray(net.apply(params, state, None, {"data": (other, np.array([5]))})[0].outputs["output"].data)
        if inputs == "data:source":
            np.testing.assert_allclose(second[:, 1], alone[2:, 0], atol=1e-6)
        found.append((first[:2], second, kept))
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-6)
    for name, value in found[0][2].items():
        np.testing.assert_allclose(value, found[1][2][name], atol=1e-6)


@pytest.mark.parametrize("cell", [CELL, REC])
@pytest.mark.parametrize("decided", ["after", "z_after"])
def test_the_learned_start_of_a_search_in_training_is_named_as_in_a_search(cell, decided):
    """The cell runs in the steps there, and is moved out of the loop in training."""
    body = {
        "words": {"class": "linear", "n_out": 2, "from": "prev:output"},
        "s": {**cell, "initial_state": "var", "from": "words"},
        "p": {"class": "softmax", "from": "s", "n_out": 4, "loss": "ce", "target": "classes"},
        "output": {"class": "choice", "from": "p", "beam_size": 2, "target": "classes", "initial_output": 0},
        "end": {"class": "compare", "from": "output", "value": 0},
    }
    rec = {"class": "rec", "from": [], "target": "classes", "max_seq_len": 5, "unit": body}
    net = {"output": rec, decided: {"class": "decide", "from": "extra.search:output", "is_output_layer": True}}
    beside = {"s/initial_c", "s/initial_h"}
    assert starts(net, train=True) == beside | {"s/rec/initial_c", "s/rec/initial_h"}
    assert starts({"output": rec}, losses=False, search=True) == beside
