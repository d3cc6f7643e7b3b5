"""`choice` with its options in pairs, next to a search written by hand; a wide beam prunes nothing, so it is brute force."""

import numpy as np
import pytest

from tests.network.layers import choices_by_hand as hand

PAIRS = list(hand.pairs(0))


def check(o):
    result, params = hand.by_network(o)
    beams, divisor = hand.by_hand(o, params)
    out = result.outputs["output"]
    lengths = next(iter(out.lengths.values())).data
    scores = np.asarray(result.scores["output"].data) * divisor
    for b, beam in enumerate(beams):
        for k, h in enumerate(beam):
            wanted = h.score
            if wanted < -1e29:
                assert scores[k, b] < -1e28, (b, k)
                continue
            np.testing.assert_allclose(scores[k, b], wanted, rtol=2e-3, atol=2e-4, err_msg=f"{b, k}")
            assert tuple(np.asarray(out.data)[: len(h.labels), k, b].tolist()) == h.labels, (b, k)
            if hand.open_ended(o):
                assert lengths[k, b] == h.length, (b, k)


@pytest.mark.parametrize("number", range(3))
def test_options_of_a_choice(number):
    check(PAIRS[number])


@pytest.mark.slow
@pytest.mark.parametrize("number", range(3, len(PAIRS)))
def test_options_of_a_choice_in_pairs(number):
    check(PAIRS[number])
