"""`preload_from_files`: some variables of some files."""

import numpy as np
import pytest

from tenure.returnn.checkpoints import CheckpointMismatchError, Preload, due, preload, preload_all


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
