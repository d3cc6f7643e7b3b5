"""Wrong dictionaries with loops and searches; `python -m tests.stress.loops --times N` makes many more."""

import random

import pytest

from tests.stress.loops import attempt, decoder, mutated


@pytest.mark.parametrize("seed", range(4))
def test_each_builds_or_says_which_layer_is_wrong(seed):
    rng = random.Random(seed)
    problems = [attempt(mutated(rng), seconds=5.0) for _ in range(6)]
    assert not any(problems), problems


def test_a_length_that_is_no_expression_is_the_loops_error():
    net = decoder(2)
    net["output"]["max_seq_len"] = "data:nope"
    assert not attempt(net, seconds=5.0)
