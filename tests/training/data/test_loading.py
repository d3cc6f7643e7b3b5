"""Sequences and batches are loaded ahead, once each, and never more than a bounded number of them."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from tenure.training.data.loading import AHEAD, KEPT, Loader, ahead
from tenure.training.data.static import StaticDataset


class Counting:
    """An epoch that counts what is loaded, and how many at the same time."""

    def __init__(self, count, slow=0.0):
        data = StaticDataset([{"data": np.full((1 + i % 3, 1), i, "float32")} for i in range(count)])
        self.loaded, self.now, self.most, self._slow, self._lock = [], 0, 0, slow, threading.Lock()
        self.epoch = replace(data.epoch(1), load=self._load)
        self._data = data

    def _load(self, index):
        with self._lock:
            self.loaded.append(index)
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self._slow)
        with self._lock:
            self.now -= 1
        return self._data.load(index, 1)


def test_batches_are_made_a_bounded_number_ahead():
    made, taken = [], []
    for value in ahead(range(20), lambda n: made.append(n) or n):
        time.sleep(0.005)
        taken.append(value)
        assert len(made) <= len(taken) + AHEAD
    assert taken == list(range(20))


def test_an_error_in_the_thread_is_raised_where_the_batch_is_wanted():
    def make(n):
        if n == 2:
            raise ValueError("the third")
        return n

    given = ahead(range(5), make)
    assert [next(given), next(given)] == [0, 1]
    with pytest.raises(ValueError, match="the third"):
        next(given)


def test_who_stops_early_leaves_no_thread():
    before = threading.active_count()
    given = ahead(iter(int, 1), lambda n: n)
    next(given)
    given.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [1, 3])
def test_a_sequence_whose_length_is_not_known_is_loaded_once(threads):
    counting = Counting(30)
    loader = Loader(counting.epoch, known=False, threads=threads)
    lengths = loader.lengths()
    for index in range(30):
        next(lengths)
        if index % 5 == 4:
            batch = range(index - 4, index + 1)
            loader.prepare(batch)
            assert [float(loader.load(i)[1]["data"][0, 0]) for i in batch] == list(batch)
    assert sorted(counting.loaded) == list(range(30))
    loader.close()


def test_sequences_are_loaded_at_the_same_time_in_threads():
    counting = Counting(20, slow=0.02)
    loader = Loader(counting.epoch, known=True, threads=4)
    loader.prepare(range(20))
    assert [loader.load(i)[0] for i in range(20)] == [f"seq-{i}" for i in range(20)]
    assert 1 < counting.most <= 4
    loader.close()


def test_sequences_that_belong_to_no_batch_do_not_pile_up():
    loader = Loader(Counting(KEPT + 500).epoch, known=False)
    for _ in loader.lengths():
        assert len(loader._items) <= KEPT + 1
