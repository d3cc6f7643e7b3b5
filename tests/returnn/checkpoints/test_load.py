"""RETURNN's rules for loading checkpoints: conversions, refusals, preload_from_files."""

import numpy as np
import pytest

from tenure.returnn.checkpoints import CheckpointMismatchError, load


def test_a_missing_variable_is_told_with_the_nearest_names():
    with pytest.raises(CheckpointMismatchError, match=r"lacks 'hid/W'(?s:.*)nearest names: hidden/W"):
        load({"hid/W": (2,)}, {"hidden/W": np.ones(2)})


def test_shapes_are_checked_unless_legacy():
    with pytest.raises(CheckpointMismatchError, match="another shape"):
        load({"h/W": (2,)}, {"h/W": np.ones(3)})
    assert load({"h/W": (2,)}, {"h/W": np.ones(3)}, legacy=True)["h/W"].shape == (3,)


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
