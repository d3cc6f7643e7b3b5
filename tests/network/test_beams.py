"""Beams: hypotheses of one search go on in another."""

import numpy as np

from tests.network.searches import LABELS, decoder, search, with_gold


def test_two_choices_and_a_loop_in_a_loop_search_together():
    first = {"class": "choice", "target": "classes", "beam_size": 5, "from": "q", "initial_output": 0}
    q = {"class": "softmax", "n_out": LABELS, "from": ["prev:s", "prev:att"], "target": None}
    net = decoder({"beam_size": 3}, rec={"max_seq_len": 2}, q=q, first=first)
    net["output"]["unit"]["p"]["from"] = ["s", "att", "e"]
    net["output"]["unit"]["e"] = {"class": "linear", "n_out": 3, "activation": None, "from": "first"}
    net["output"]["unit"]["first"]["is_output_layer"] = True
    net["both"] = {"class": "copy", "from": "output/first", "is_output_layer": True}
    result = search(net)
    assert result.outputs["output"].shape[1:] == (3, 2) and result.outputs["both"].beam_dim is not None
    scores = np.asarray(result.scores["output"].data)
    assert np.all(np.diff(scores, axis=0) <= 1e-6)


def test_a_search_in_a_step_of_a_search_continues_its_hypotheses():
    unit = {
        "output": {"class": "choice", "target": "classes", "beam_size": 2, "from": "q", "initial_output": 0},
        "q": {"class": "softmax", "n_out": LABELS, "from": ["base:s", "e"], "target": None},
        "e": {"class": "linear", "n_out": 2, "from": "prev:output"},
        "end": {"class": "compare", "value": 0, "from": "output"},
    }
    inner = {"class": "rec", "from": [], "max_seq_len": 2, "target": "classes", "unit": unit}
    first = {"class": "gather", "from": "inner", "axis": "T", "position": "zero"}
    zero = {"class": "constant", "value": 0, "dtype": "int32"}
    net = decoder(
        {"beam_size": 3}, inner=inner, first=first, zero=zero, f={"class": "linear", "n_out": 2, "from": "first"}
    )
    net["output"]["unit"]["p"]["from"] = ["s", "att", "f"]
    scores = np.asarray(with_gold(net).scores["output"].data)
    assert scores.shape == (3, 2) and np.all(np.isfinite(scores)) and np.all(np.diff(scores, axis=0) <= 1e-6)
