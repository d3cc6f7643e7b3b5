"""Layers about the hypotheses of a search."""

import numpy as np

from tests.network.searches import decoder, search


def test_hypotheses_that_are_kept_stay_as_they_are_in_each_step():
    """The labels of each step before it is known which of them the final hypotheses go back to."""
    net = decoder({"beam_size": 4}, kept={"class": "decide_keep_beam", "from": "output", "is_output_layer": True})
    net["kept"] = {"class": "copy", "from": "output/kept", "is_output_layer": True}
    result = search(net, layers=["*"])
    final = np.asarray(result.outputs["output"].data)
    kept = np.moveaxis(np.asarray(result.outputs["kept"].data), 0, 1)
    assert np.array_equal(final[-1], kept[-1]) and not np.array_equal(final[0], kept[0])
    assert all(set(final[t, :, b]) <= set(kept[t, :, b]) for t in range(len(final)) for b in range(2))
