"""The order of sequences in an epoch."""

import numpy as np
import pytest

from tenure.training.data.order import Order
from tenure.training.errors import OrderError

LENGTHS = np.array([5, 3, 9, 1, 7, 2, 8, 6])


def order(method, epoch=1, count=8, **options):
    return Order(method, **options).indices(epoch, count, lambda: LENGTHS).tolist()


def test_orders_without_chance():
    assert order("default") == list(range(8)) and order("reverse") == list(range(8))[::-1]
    assert LENGTHS[order("sorted")].tolist() == sorted(LENGTHS)
    assert LENGTHS[order("sorted_reverse")].tolist() == sorted(LENGTHS)[::-1]
    assert order("default_every_n:3") == [0, 2, 4, 1, 3, 5]


@pytest.mark.parametrize("method", ["random", "laplace:2", "laplace:.3", "sort_bin_shuffle:2", "sort_bin_shuffle_x2:3"])
def test_orders_by_chance_depend_on_the_epoch_and_have_each_sequence_once(method):
    assert sorted(order(method)) == list(range(8)) and order(method) == order(method)
    assert len({tuple(order(method, epoch)) for epoch in range(1, 6)}) > 1
    assert order(method, 3, fixed_random_seed=1) == order(method, 1)


def test_laplace_goes_up_and_down():
    found = LENGTHS[order("laplace:2")]
    assert found[:4].tolist() == sorted(found[:4]) and found[4:].tolist() == sorted(found[4:])[::-1]


def test_parts_of_an_epoch_and_shards_are_the_whole():
    parts = [order("random", epoch, partition_epoch=3) for epoch in (1, 2, 3)]
    assert sorted(sum(parts, [])) == list(range(8)) and [len(p) for p in parts] == [3, 3, 2]
    shards = [order("random", shards=2, shard=i) for i in range(2)]
    assert sum(shards, []) == order("random")
    assert order("default", repeat_epoch=2) == [*range(8), *range(8)]


def test_tags_select():
    tags = ["a", "b", "a", "c"]
    assert Order(unique_tags=True).indices(1, 4, tags=lambda: tags).tolist() == [0, 1, 3]
    assert Order(tags=frozenset("ac")).indices(1, 4, tags=lambda: tags).tolist() == [0, 2, 3]
    with pytest.raises(OrderError, match="no sequence of this epoch"):
        Order(tags=frozenset("x")).indices(1, 4, tags=lambda: tags)


@pytest.mark.parametrize("method", ["randm", "random:x", "laplace:0", "default:2", "default_every_n:0"])
def test_methods_that_cannot_be_read(method):
    with pytest.raises(OrderError, match="seq_ordering"):
        order(method)
    with pytest.raises(OrderError, match="needs the lengths"):
        Order("sorted").indices(1, 3)
    with pytest.raises(OrderError, match="empty"):
        order("default", count=0)


def test_an_offset_of_nothing_adds_nothing():
    assert Order("random", random_seed_offset=None).seed(3) == 3
