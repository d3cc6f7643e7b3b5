"""Generated tasks: sequences that are a function of the epoch's seed and their index."""

import numpy as np
import pytest

from tenure.training.data.classes import dataset

TASKS = [
    {"class": "Task12AXDataset"},
    {"class": "TaskEpisodicCopyDataset"},
    {"class": "TaskXmlModelingDataset"},
    {"class": "TaskNumberBaseConvertDataset"},
    {"class": "CopyTaskDataset", "nsymbols": 5, "minlen": 2, "maxlen": 9},
]


@pytest.mark.parametrize("options", TASKS, ids=lambda o: o["class"])
def test_a_sequence_depends_on_epoch_and_index_alone(options):
    one, two = (dataset({**options, "num_seqs": 4}) for _ in range(2))
    for epoch in (1, 2):
        for i in (3, 0):
            a, b = one.load(i, epoch), two.load(i, epoch)
            assert a.tag == b.tag and all((a.data[k] == b.data[k]).all() for k in a.data)
    assert any(
        len(one.load(i, 1).data["classes"]) != len(one.load(i, 2).data["classes"])
        or (one.load(i, 1).data["classes"] != one.load(i, 2).data["classes"]).any()
        for i in range(4)
    )
    sizes = {key: stream.dim for key, stream in one.streams.items()}
    item = one.load(0, 1)
    assert item.data["classes"].max() < sizes["classes"]


def test_12ax_targets_follow_their_rule():
    data = dataset({"class": "Task12AXDataset", "num_seqs": 5})
    for i in range(5):
        item = data.load(i, 1).data
        symbols = "".join("123ABCXYZ"[k] for k in item["data"].argmax(-1))
        context = letter = ""
        for symbol, target in zip(symbols, item["classes"], strict=True):
            context, letter = (symbol, "") if symbol in "12" else (context, letter)
            wanted = (context, letter, symbol) in (("1", "A", "X"), ("2", "B", "Y"))
            assert target == wanted
            letter = symbol if symbol in "AB" else "" if symbol in "XY" else letter


def test_windows_join_frames():
    plain, wide = (dataset({"class": "Task12AXDataset", "num_seqs": 1, "window": n}) for n in (1, 3))
    frames, joined = plain.load(0, 1).data["data"], wide.load(0, 1).data["data"]
    assert wide.streams["data"].dim == 27
    np.testing.assert_array_equal(joined[1:-1], np.concatenate([frames[:-2], frames[1:-1], frames[2:]], axis=1))


def test_numbers_go_up_to_a_maximum_and_start_anew():
    options = {"class": "DummyDataset", "num_seqs": 1, "input_dim": 1, "output_dim": 3, "seq_len": 5}
    shifted = dataset({**options, "input_max_value": 4.0, "input_shift": 1.0}).epoch(1)[0].data["data"]
    assert shifted[:, 0].tolist() == [0.25, 0.5, 0.75, 1.0, 0.25]
    scaled = dataset({**options, "input_scale": 2.0}).epoch(1)[0].data["data"]
    assert scaled[:, 0].tolist() == [-10.0, -8.0, -6.0, -4.0, -2.0]


def test_streams_that_are_not_equally_long():
    options = {"class": "DummyDatasetMultipleSequenceLength", "num_seqs": 1, "input_dim": 1, "output_dim": 3}
    assert dataset(options).epoch(1).lengths(0).of == {"data": 10, "classes": 20}
