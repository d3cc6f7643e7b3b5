"""A loss that is no number names sequences and parameters."""

import numpy as np
import pytest

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.errors import TrainingError
from tests.training.engine.small import config, run


def test_data_that_are_no_numbers_are_named(tmp_path):
    data = [{"data": np.zeros((3, 9), "float32"), "classes": np.array([0, 1, 1], "int32")} for _ in range(2)]
    data[1]["data"][2, 4] = np.nan
    train = {"class": "StaticDataset", "data": data, "output_dim": {"data": [9, 2], "classes": [2, 1]}}
    named = r"(?s)epoch 1, step 0: the loss is nan.*sequences.*seq-0, seq-1\n.*lengths.*\[6\].*no numbers: 'seq-1' \('data'\)\n.*parameters.*: h/W, h/b"
    with pytest.raises(TrainingError, match=named):
        run(tmp_path, train=train, batching="default")
    assert not (tmp_path / "net" / "model.001").exists()


def test_a_loss_that_is_no_number_names_sequences_and_parameters(tmp_path):
    with pytest.raises(TrainingError, match=r"(?s)the loss is (nan|inf).*seq-"):
        tasks.run(config(tmp_path, learning_rate=float("inf"), optimizer={"class": "gradientdescent"}), Log(0))
