"""One step of self-attention in a loop, in a search too."""

import numpy as np
import pytest

import tenure as tn
from tenure.network.layers import attention_steps
from tests.network.searches import DATA, LABELS, decoder, search


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
    assert a.shape == b.shape and a.shape[0] > 33, a.shape  # several blocks
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(scores, others, rtol=1e-4)


def test_a_step_of_layers_alike_is_traced_once(monkeypatch):
    traced, blocks = [], attention_steps._over
    monkeypatch.setattr(attention_steps, "_over", lambda parts: traced.append(parts) or blocks(parts))
    layer = {"class": "self_attention", "num_heads": 1, "total_key_dim": 3, "n_out": 3, "attention_left_only": True}
    first = {"class": "linear", "n_out": 3, "activation": None, "from": "prev:output"}
    chain = {f"self{i + 1}": {**layer, "from": f"self{i}"} for i in range(6)}
    tn.network(
        decoder(rec={"max_seq_len": 61}, self0=first, **chain, s={"class": "copy", "from": "self6"}), DATA, check=False
    ).plan(search=True, losses=False)
    assert len(traced) == 5, traced  # as many as there are blocks, whose first ones a step looks at


def test_room_is_four_blocks_of_eight_steps_and_then_blocks_as_large_as_all_before():
    sizes = {n: [size for _, size in attention_steps._blocks(n)] for n in (5, 30, 61, 100)}
    assert sizes == {5: [5], 30: [8, 8, 8, 6], 61: [8, 8, 8, 8, 29], 100: [8, 8, 8, 8, 32, 36]}
    starts = [start for start, _ in attention_steps._blocks(100)]
    assert starts == [0, 8, 16, 24, 32, 64]
