"""Batches of a data set for a network: data without any are told."""

import pytest

from tenure.training.errors import OrderError, TrainingError
from tests.training.data.files import GOOD, train, written
from tests.training.engine.told import said


def test_data_without_sequences_are_called_by_their_name(tmp_path):
    with pytest.raises(OrderError, match=r"the data set 'train' \(Task12AX\) has no sequences"):
        said(tmp_path, train={"class": "Task12AXDataset", "num_seqs": 0})


def test_an_epoch_without_batches(tmp_path):
    with pytest.raises(TrainingError, match="'train' has no batch in this epoch"):
        train(tmp_path, written(tmp_path / "good.hdf", GOOD), max_seq_length=1)
