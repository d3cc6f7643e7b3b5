"""One step of self-attention in a loop, in a search too."""

import numpy as np
import pytest

from tests.network.searches import LABELS, decoder, search


def remembering(room, **more):
    """A decoder with self-attention over the labels so far, and with room for so many steps."""
    attention = {"class": "self_attention", "num_heads": 2, "total_key_dim": 4, "n_out": 6, "attention_left_only": True}
    layers = {
        "own": {"class": "linear", "n_out": 4, "activation": None, "from": "prev:output"},
        "self": {**attention, "from": "own"},
        "late": {**attention, "from": "embed_"},  # of the label that this step chose
        "p": {"class": "linear", "activation": "softmax", "n_out": LABELS, "from": ["self", "att", "prev:late"]},
        "query": {"class": "linear", "n_out": 5, "with_bias": False, "from": "self"},
        "s": {"class": "copy", "from": "self"},
        **more,
    }
    return decoder(rec={"max_seq_len": room}, **layers)


RELATIVE = {
    "shift": {"class": "relative_positional_encoding", "from": "own", "n_out": 2, "clipping": 3},
    "self": {
        "class": "self_attention",
        "num_heads": 2,
        "total_key_dim": 4,
        "n_out": 6,
        "attention_left_only": True,
        "key_shift": "shift",
        "from": "own",
    },
}


@pytest.mark.parametrize("more", [{}, RELATIVE], ids=["plain", "relative positions"])
def test_keys_that_stay_in_their_places_are_seen_as_if_they_followed_their_hypotheses(monkeypatch, more):
    net = remembering(60, **more)
    found = []
    for few in (0, 64):
        monkeypatch.setattr("tenure.network.layers.attention_steps.FEW", few)
        result = search(net)
        found.append((result.outputs["output"].data, result.scores["output"].data))
    (a, scores), (b, others) = found
    assert a.shape == b.shape and a.shape[0] > 17, a.shape  # several blocks
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(scores, others, rtol=1e-4)
