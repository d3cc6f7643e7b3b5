"""Batches of a data set for a network: data without any are told."""

import pytest

from tenure.training.batching.frames import Frames
from tenure.training.engine.feeding import limits
from tenure.training.errors import OrderError, TrainingError
from tests.training.data.files import GOOD, train, written
from tests.training.engine.told import said


def test_data_without_sequences_are_called_by_their_name(tmp_path):
    with pytest.raises(OrderError, match=r"the data set 'train' \(Task12AX\) has no sequences"):
        said(tmp_path, train={"class": "Task12AXDataset", "num_seqs": 0})


def test_an_epoch_without_batches(tmp_path):
    with pytest.raises(TrainingError, match="'train' has no batch in this epoch"):
        train(tmp_path, written(tmp_path / "good.hdf", GOOD), max_seq_length=1, recurrent_net=True)


def test_sequences_are_left_out_in_training_and_long_ones_of_dev_only():
    given = {"batch_size": 100, "max_seq_length": 5, "min_seq_length": 2, "max_pad_size": 3, "seq_drop": 0.5}
    lengths = [Frames({"data": n}) for n in (1, 3, 9)]

    def kept(**of):
        batching = limits(given, keys=["data"], **of)
        return [piece.index for batch in batching.batches(lengths) for piece in batch.pieces], batching.seq_drop

    assert kept(training=False, name="dev") == ([0, 1], 0)
    assert kept(training=False, name="eval") == kept(training=False) == ([0, 1, 2], 0)
    given["seq_drop"] = 0.0
    assert kept(training=True, name="train") == ([1], 0)
