"""Sequences that processes load: the same ones in the same order, and no process outlives the one that it loads for."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tenure.network.model import Network
from tenure.training.data.classes import dataset, in_processes
from tenure.training.data.processes import InProcesses
from tenure.training.engine.feeding import Feed
from tenure.training.errors import DataSetError

NET = {"output": {"class": "softmax", "loss": "ce", "from": "data", "target": "data"}}


@pytest.fixture
def options(tmp_path):
    lines = [" ".join("abcd"[(i * j) % 4] for j in range(1 + i % 5)) for i in range(40)]
    (tmp_path / "text").write_text("\n".join(lines))
    (tmp_path / "symbols").write_text("\n".join([*"abcd", "[END]"]))
    return {
        "class": "LmDataset",
        "corpus_file": f"{tmp_path}/text",
        "orth_symbols_file": f"{tmp_path}/symbols",
        "seq_end_symbol": "[END]",
        "unknown_symbol": None,
        "word_based": True,
        "seq_ordering": "laplace:.4",
    }


def batches(options, **config):
    net = Network(NET, {"data": {"dim": 5, "sparse": True}})
    feed = Feed.of(options, {}, {"batch_size": 40, "recurrent_net": True, **config}, net, training=True)
    found = [(b.tags, b.arrays["data"]) for epoch in (1, 2) for b in feed.batches(epoch)]
    return feed, found


def test_batches_of_processes_are_those_of_threads(options):
    data = in_processes(options, 2)
    feed, found = batches(data)
    _, right = batches(options, load_threads=2)
    assert feed.threads == 2 and len(data.pool._processes) == 2
    assert len(found) == len(right) > 8
    for (tags, array), (right_tags, right_array) in zip(found, right, strict=True):
        assert tags == right_tags
        np.testing.assert_array_equal(array, right_array)
    os.kill(next(iter(data.pool._processes)), signal.SIGKILL)
    with pytest.raises(DataSetError, match="a process that loads sequences of LmDataset has died"):
        for _ in range(100):  # it takes a moment to be seen
            data.epoch(3)[0]
            time.sleep(0.05)


def test_configs_ask_for_processes_by_a_key_or_by_a_data_set(options):
    net = Network(NET, {"data": {"dim": 5, "sparse": True}})
    feed = Feed.of(options, {}, {"batch_size": 9, "load_processes": 3}, net, training=True)
    assert isinstance(feed.data, InProcesses) and feed.threads == 3
    given = {"class": "MultiProcDataset", "dataset": options, "num_workers": 4, "buffer_size": 10}
    data = dataset(given, partition_epoch=2)
    assert data.num_workers == 4 and list(data.indices(3)) == list(dataset(options, partition_epoch=2).indices(3))
    assert data.count() == 40 and data.tags[:1] == dataset(options).tags[:1] and "pool" not in vars(data)


def test_what_cannot_be_sent_to_a_process_is_refused(options):
    with pytest.raises(DataSetError, match="(?s)options of LmDataset cannot be sent to a process.*load_threads"):
        in_processes({**options, "corpus_file": lambda: options["corpus_file"]}, 2)
    for wrong in ({"num_workers": 0}, {}, {"dataset": "x", "num_workers": 1}, {"num_workers": 1, "workers": 2}):
        with pytest.raises(DataSetError):
            dataset({"class": "MultiProcDataset", "dataset": options, **wrong})


@pytest.mark.slow
def test_processes_end_with_the_one_that_they_load_for(options):
    code = f"""
import time
from tenure.training.data.classes import in_processes
if __name__ == "__main__":
    data = in_processes({options!r}, 2)
    data.epoch(1)[0], data.epoch(1)[1]
    print(*data.pool._processes, flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ids = [int(word) for word in process.stdout.readline().split()]
        assert ids and all(os.path.exists(f"/proc/{pid}") for pid in ids)
        process.kill()
    end = time.monotonic() + 60
    while any(os.path.exists(f"/proc/{pid}") for pid in ids):
        assert time.monotonic() < end, "a process is left over"
        time.sleep(0.1)
