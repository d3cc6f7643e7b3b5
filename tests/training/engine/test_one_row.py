"""Frames of all sequences in one row, where a network sees each frame by itself."""

import numpy as np
import pytest

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.errors import BatchError, DataSetError
from tests.training.engine.small import config

LENGTHS = (3, 9, 5, 8, 4)
FRAMES = {"output": {"class": "softmax", "loss": "ce", "from": "data"}}
LSTM = {"h": {"class": "rec", "unit": "lstm", "n_out": 3, "from": "data"}, "output": {**FRAMES["output"], "from": "h"}}
MEAN = {
    "h": {"class": "reduce", "mode": "mean", "axes": "T", "from": "data"},
    "output": {**FRAMES["output"], "from": "h"},
}
TWO = {"data": {"dim": 9}, "classes": {"dim": 2, "sparse": True}}


def sequences(lengths=LENGTHS, targets=lambda n: np.arange(n) % 2, **more):
    data = [
        {"data": np.full((n, 9), i, "float32"), "classes": np.array(targets(n), "int32")} for i, n in enumerate(lengths)
    ]
    return {
        "class": "StaticDataset",
        "data": data,
        "output_dim": {"data": [9, 2], "classes": [2, 1]},
        "seq_ordering": "default",
        **more,
    }


def trained(folder, seen=None, **more):
    """Per batch of training and of "dev", the shape of the data and the places in the epoch that its pieces have."""
    found = {"train": [], "dev": []}

    def watch(what, told):
        if what == "step":
            batch = told["batch"].planned
            shape = (batch.rows, int(batch.frames["data"]))
            found[told["dataset"]].append((shape, [piece.index for piece in batch.pieces]))

    given = {
        "train": sequences(),
        "dev": None,
        "network": FRAMES,
        "batch_size": 10,
        "num_epochs": 1,
        "batching": "default",
    }
    lines = Log(4)
    if seen is not None:
        lines.say = lambda line, verbosity=3: seen.append(line)
    tasks.run(config(folder, **{**given, **more}), lines, watch)
    return found


def test_frames_fill_batches_whatever_sequence_they_are_of(tmp_path):
    """As RETURNN does: neither chunks nor limits of sequences count, and a batch ends inside of one."""
    seen = []
    found = trained(tmp_path, seen, chunking="4:2", max_seq_length=5, min_seq_length=4)
    assert found["train"] == [((1, 10), [0, 1]), ((1, 10), [1, 2, 3]), ((1, 9), [3, 4])]
    assert any("recurrent_net = True" in line for line in seen)


def test_one_more_sequence_than_max_seqs_ends_a_batch(tmp_path):
    assert [s for s, _ in trained(tmp_path, batch_size=100, max_seqs=2)["train"]] == [(1, 17), (1, 12)]


def test_a_recurrent_layer_keeps_sequences_apart(tmp_path):
    found = trained(tmp_path, network=LSTM, batch_size=20)
    assert found["train"] == [((2, 9), [0, 1]), ((2, 8), [2, 3]), ((1, 4), [4])]


@pytest.mark.parametrize(
    "more",
    [{"recurrent_net": True}, {"packed_batch_size": 12}, {"buckets": [{"data": 9, "classes": 9, "rows": 2}]}],
    ids=lambda more: next(iter(more)),
)
def test_keys_that_are_about_rows_keep_sequences_apart(tmp_path, more):
    assert trained(tmp_path, batch_size=20, **more)["train"][0] == ((2, 9), [0, 1])


def test_a_value_for_each_sequence_keeps_sequences_apart(tmp_path):
    data = sequences(targets=lambda n: n % 2)
    more = {"extern_data": {**TWO, "classes": {**TWO["classes"], "shape": ()}}, "num_inputs": None, "num_outputs": None}
    found = trained(tmp_path, train=data, network=MEAN, batch_size=20, **more)
    assert [rows for rows, _ in found["train"]] == [(2, 9), (2, 8), (1, 4)]
    with pytest.raises(BatchError, match="(?s)'classes' has one value for each sequence.*recurrent_net = True"):
        trained(tmp_path / "asked", train=data, network=MEAN, recurrent_net=False, **more)


def test_streams_that_may_have_other_lengths_keep_sequences_apart(tmp_path):
    scores = {"class": "linear", "activation": None, "n_out": 1, "loss": "as_is"}
    network = {"output": {**scores, "from": "data"}, "more": {**scores, "from": "data:classes"}}
    found = trained(tmp_path, train=sequences(targets=lambda n: [0] * (n // 2)), network=network, batch_size=20)
    assert found["train"][0] == ((2, 9), [0, 1])


def test_streams_that_nothing_is_computed_of_leave_no_gaps(tmp_path):
    network = {
        "output": {"class": "linear", "activation": None, "n_out": 9, "loss": "mse", "target": "data", "from": "data"}
    }
    found = trained(tmp_path, train=sequences(targets=lambda n: [0] * 2 * n), network=network)
    assert [shape for shape, _ in found["train"]] == [(1, 10), (1, 10), (1, 9)]


def test_lengths_that_must_be_equal_and_labels_are_told_of_their_sequence(tmp_path):
    with pytest.raises(DataSetError, match="'seq-1' has 9 frames in the stream 'data' and 8 in 'classes'"):
        trained(tmp_path, train=sequences(targets=lambda n: [0] * (8 if n == 9 else n)), batch_size=100)
    with pytest.raises(DataSetError, match="'seq-2' has the label 3 in the stream 'classes'"):
        trained(
            tmp_path / "labels",
            train=sequences(targets=lambda n: [0, 3 if n == 5 else 0] + [0] * (n - 2)),
            batch_size=100,
        )


def test_what_is_asked_of_each_sequence_keeps_them_apart(tmp_path):
    trained(tmp_path, dev=sequences())
    given = config(tmp_path, network=FRAMES, dev=sequences(), eval=sequences(), batch_size=10, train=None)
    given |= {"task": "forward", "load_epoch": 1, "output_file": str(tmp_path / "out.hdf"), "forward_batch_size": 20}
    tasks.run(given, Log(0))
    import h5py

    with h5py.File(tmp_path / "out.hdf") as file:
        assert file["seqLengths"][()][:, 0].tolist() == list(LENGTHS)
