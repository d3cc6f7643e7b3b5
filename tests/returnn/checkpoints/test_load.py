"""RETURNN's rules for loading checkpoints: conversions, refusals, preload_from_files; and all recorded cases."""

import os
from pathlib import Path

import jax
import numpy as np
import pytest

import tenure as tn
from tenure.returnn.checkpoints import CheckpointMismatchError, Preload, due, load, preload, preload_all

FOLDER = Path(os.environ.get("TENURE_ENGINE_CASES", Path(__file__).parents[4] / "shared" / "engine"))


def test_recorded_cases():
    if not (FOLDER / "checkpoints").is_dir():
        pytest.skip("no recorded cases beside the repository (TENURE_ENGINE_CASES names another folder)")
    from tenure.returnn.engine_replay.score import replay

    verdicts = list(replay(FOLDER, "checkpoints"))
    failed = [f"{v.id}: {v.problems[0]}" for v in verdicts if not v.passed]
    assert len(verdicts) >= 75
    assert not failed, "\n".join(failed)


def flat(params):
    return {f"{module}/{name}": np.asarray(leaf) for module, leaves in params.items() for name, leaf in leaves.items()}


def nested(values):
    tree = {}
    for path, value in values.items():
        module, _, name = path.rpartition("/")
        tree.setdefault(module, {})[name] = value
    return tree


@pytest.mark.parametrize(("old", "new"), [("nativelstm2", "standardlstm"), ("standardlstm", "nativelstm2")])
def test_a_converted_lstm_computes_the_same(old, new):
    batch = {"data": np.random.RandomState(0).randn(2, 4, 2).astype("float32")}
    options = {"unit_opts": {"forget_bias": 0.0}}  # RETURNN's own cells have none
    nets = {}
    for unit in (old, new):
        layer = {
            "class": "rec",
            "unit": unit,
            "n_out": 3,
            "from": "data",
            **(options if unit == "standardlstm" else {}),
        }
        nets[unit] = tn.network({"output": layer}, {"data": {"dim": 2}}, behavior_version=0)
    params, state = nets[old].init(jax.random.key(0))
    other, _ = nets[new].init(jax.random.key(1))
    shapes = {name: value.shape for name, value in flat(other).items()}
    converted = nested(load(shapes, flat(params)))
    outputs = [
        nets[unit].apply(p, state, None, batch)[0].outputs["output"].data
        for unit, p in ((old, params), (new, converted))
    ]
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-6)


def test_a_missing_variable_is_told_with_the_nearest_names():
    with pytest.raises(CheckpointMismatchError, match=r"lacks 'hid/W'(?s:.*)nearest names: hidden/W"):
        load({"hid/W": (2,)}, {"hidden/W": np.ones(2)})


def test_shapes_are_checked_unless_legacy():
    with pytest.raises(CheckpointMismatchError, match="another shape"):
        load({"h/W": (2,)}, {"h/W": np.ones(3)})
    assert load({"h/W": (2,)}, {"h/W": np.ones(3)}, legacy=True)["h/W"].shape == (3,)


def test_an_unfit_kernel_is_told():
    values = {"l/rec/lstm_cell/kernel": np.ones((3, 7)), "l/rec/lstm_cell/bias": np.ones(7)}
    with pytest.raises(CheckpointMismatchError, match="cannot be made"):
        load({"l/rec/W": (1, 8), "l/rec/W_re": (2, 8), "l/rec/b": (8,)}, values)


def test_preload_takes_the_first_entry_that_has_a_variable():
    files = {"a": {"x/W": np.zeros(2)}, "b": {"x/W": np.ones(2), "y/W": np.ones(3)}}
    entries = {
        "2": {"filename": "b", "init_for_train": True},
        "1": {"filename": "a", "init_for_train": True, "ignore_missing": True},
        "0": {"filename": "never"},
    }
    found = preload_all(entries, {"x/W": (2,), "y/W": (3,)}, files.__getitem__, training=True, first_epoch=True)
    assert found["x/W"].tolist() == [0, 0] and found["y/W"].tolist() == [1, 1, 1]
    assert [entry.filename for entry in due(entries, training=False, first_epoch=False)] == ["never"]
    assert due(entries, training=True, first_epoch=False) == []


def test_preload_refuses_what_loads_nothing_and_unknown_options():
    with pytest.raises(CheckpointMismatchError, match="loads nothing"):
        preload({"x/W": (2,)}, {"x/W": np.ones(2)}, Preload(prefix="am_"))
    with pytest.raises(CheckpointMismatchError, match="no option 'prefx'"):
        Preload.of({"prefx": "am_"})


def test_a_custom_function_is_asked_for_what_is_missing():
    def custom(*, name, shape, reader):
        return np.full(shape, reader.get_tensor("x/W")[0]) if name == "z/W" else None

    found = load({"x/W": (1,), "z/W": (2,)}, {"x/W": np.full(1, 7.0)}, custom=custom)
    assert found["z/W"].tolist() == [7.0, 7.0]


def test_old_names_of_cells_are_found():
    values = {"s/rec/rnn/lstm_cell/kernel": np.ones((3, 8)), "s/rec/rnn/lstm_cell/bias": np.ones(8)}
    assert set(load({"s/rec/lstm_cell/kernel": (3, 8), "s/rec/lstm_cell/bias": (8,)}, values)) == {
        "s/rec/lstm_cell/kernel",
        "s/rec/lstm_cell/bias",
    }
