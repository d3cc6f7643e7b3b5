"""Pretraining, by hand: which network an epoch has, and what goes over from one to the next."""

import pytest

from tenure.training.pretraining.construct import PretrainError
from tests.training.pretraining.growing import layers, plan


def test_a_function_gives_networks_until_none_and_then_comes_the_whole_one():
    assert layers(plan(), 5) == ["a", "ab", "abc", "abc", "abc"] and plan().epochs == 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (2, [2, 2, 2]),
        ([1, 3], [1, 3, 3]),
        ({"default": 2, "final": 5}, [2, 2, 5]),
        ({0: 4}, [4, 1, 1]),
        ({-1: 3}, [1, 1, 3]),
    ],
)
def test_repetitions(given, expected):
    assert [stage.epochs for stage in plan(repetitions=given).stages] == expected


@pytest.mark.parametrize("given", [{"final": 2, 1: 2}, {3: 1}, [1, 2, 3, 4], "two"])
def test_repetitions_that_mean_nothing_are_refused(given):
    with pytest.raises(PretrainError):
        plan(repetitions=given)


def test_greedy_freezes_what_was_there():
    greedy = plan(greedy=True, repetitions=2)
    assert [sorted(greedy.frozen(epoch)) for epoch in range(1, 8)] == [[], [], ["a"], ["a"], ["a", "b"], ["a", "b"], []]
    assert not any(plan().frozen(epoch) for epoch in range(1, 5))
