"""Sequences that are left out."""

import numpy as np
import pytest

from tenure.training.data.filters import EpochFilter, random_subset
from tenure.training.errors import DataSetError

LENGTHS = [9, 1, 5, 3, 7]


def test_a_subset_is_drawn_with_its_seed():
    assert random_subset(10, 4, 1) == random_subset(10, 4, 1) != random_subset(10, 4, 2)
    assert len(set(random_subset(10, 0.3, 1))) == 3 and sorted(random_subset(5, 5, 0)) == list(range(5))
    assert sorted(random_subset(5, 9, 0)) == list(range(5))
    for size in (0, 0.01, -1):
        with pytest.raises(DataSetError, match="fixed_random_subset"):
            random_subset(10, size, 1)


def kept(epoch, option, **how):
    return list(EpochFilter.parse(option).kept(epoch, list(range(5)), LENGTHS.__getitem__, **how))


def test_the_shortest_are_kept_in_their_order_until_their_mean_is_too_long():
    option = {(1, 2): {"max_mean_len": 3}, (3, None): {"max_mean_len": 100}}
    assert kept(1, option) == kept(2, option)
    found = kept(1, option)
    assert found == sorted(found) and np.mean([LENGTHS[i] for i in found]) >= 3 and set(found) == {1, 2, 3}
    assert kept(3, option) == list(range(5)) == kept(1, {})


def test_the_older_rule_takes_halves():
    assert kept(1, {(1, None): {"max_mean_len": 3.5}}, halving=True) == [
        1,
        3,
        2,
    ]  # the half of five, the shortest first
    assert kept(1, {(1, None): {"max_mean_len": 3.5, "use_new_filter": True}}, halving=True) == [
        1,
        2,
        3,
        4,
    ]  # in their order


@pytest.mark.parametrize("limits", [{"max_men_len": 3}, {"debug_msg_prefix": "x"}])
def test_limits_that_are_none(limits):
    with pytest.raises(DataSetError, match="epoch_wise_filter"):
        EpochFilter.parse({(1, 2): limits})
