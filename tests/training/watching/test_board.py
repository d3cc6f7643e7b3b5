"""Curves for TensorBoard: read back from the files."""

import sys

import numpy as np
import pytest

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.errors import ConfigError
from tenure.training.watching.board import board_of
from tests.training.engine.small import config


def scalars(folder):
    """(name, step) → value of all event files, as the files hold them."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        while data:
            size = int(np.frombuffer(data[:8], "<u8")[0])
            event = Event.FromString(data[12 : 12 + size])
            found |= {(v.tag, event.step): v.simple_value for v in event.summary.value}
            data = data[16 + size :]
    return found


def test_steps_and_epochs_are_written_where_tf_log_dir_says(tmp_path):
    more = {
        "tf_log_dir": str(tmp_path / "tb"),
        "tensorboard_opts": {"log_every_n_train_steps": 3},
        "learning_rate": 0.5,
    }
    tasks.run(config(tmp_path, **more), Log(0))
    found = scalars(tmp_path / "tb")
    steps = sorted(step for name, step in found if name == "train/loss")
    assert steps[:2] == [0, 3] and all(step % 3 == 0 for step in steps)
    assert found["train/learning_rate", 0] == 0.5 == found["epoch/learning_rate", 1]
    assert {name for name, step in found if step == 3} == {
        *("train/loss", "train/cost_output", "train/error_output", "train/learning_rate")
    }
    assert 0 < found["epoch/dev_error", 2] < 1 and found["epoch/train_score", 1] > 0


def test_use_tensorboard_has_a_folder_of_its_own_and_can_be_off(tmp_path):
    tasks.run(config(tmp_path, use_tensorboard=True, num_epochs=1), Log(0))
    assert ("epoch/dev_score", 1) in scalars(tmp_path / "net" / "tensorboard")
    assert board_of({"model": "m", "use_tensorboard": False, "tf_log_dir": "x"}, Log(0)) is None
    assert board_of({"model": "m"}, Log(0)) is None


def test_what_is_missing_or_wrong_is_told(tmp_path, monkeypatch, capsys):
    with pytest.raises(ConfigError, match="log_every_n_train_steps is 0"):
        board_of({"model": "m", "use_tensorboard": True, "tensorboard_opts": {"log_every_n_train_steps": 0}}, Log(0))
    with pytest.raises(ConfigError, match="no option 'every'"):
        board_of({"model": "m", "use_tensorboard": True, "tensorboard_opts": {"every": 1}}, Log(0))
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ConfigError, match="needs the package tensorboardX"):
        board_of({"model": "m", "use_tensorboard": True}, Log(0))
    assert board_of({"model": "m", "tf_log_dir": str(tmp_path)}, Log(2)) is None
    assert "nothing is written for TensorBoard" in capsys.readouterr().out
