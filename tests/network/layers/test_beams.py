"""Layers about the hypotheses of a search."""

import jax
import numpy as np

import tenure as tn
from tests.network.searches import DATA, LENGTHS, X, decoder, search


def test_hypotheses_that_are_kept_stay_as_they_are_in_each_step():
    """The labels of each step before it is known which of them the final hypotheses go back to."""
    net = decoder({"beam_size": 4}, kept={"class": "decide_keep_beam", "from": "output", "is_output_layer": True})
    net["kept"] = {"class": "copy", "from": "output/kept", "is_output_layer": True}
    result = search(net, layers=["*"])
    final = np.asarray(result.outputs["output"].data)
    kept = np.moveaxis(np.asarray(result.outputs["kept"].data), 0, 1)
    assert np.array_equal(final[-1], kept[-1]) and not np.array_equal(final[0], kept[0])
    assert all(set(final[t, :, b]) <= set(kept[t, :, b]) for t in range(len(final)) for b in range(2))


def test_batch_norm_of_hypotheses_has_one_mean_over_all_of_them():
    """Hypotheses are rows of the batch; behaviour version 0 moves the averages in a search too."""
    net = decoder({"beam_size": 3})
    net["h"] = {"class": "linear", "n_out": 2, "activation": None, "from": "output"}
    net["norm"] = {"class": "batch_norm", "from": "h", "use_shift": False, "use_std": False, "force_sample": True}
    model = tn.network({**net, "norm": {**net["norm"], "is_output_layer": True}}, DATA, behavior_version=0)
    batch = {"data": (X, LENGTHS)}
    params, state = model.init(jax.random.key(0), batch, train=False, losses=False, search=True)
    result, after = model.apply(params, state, None, batch, losses=False, search=True, layers=["h", "norm"])
    h, found = (result.outputs[name] for name in ("h", "norm"))
    lengths = np.asarray(h.lengths[h.time_dim].data)  # [beam, batch]
    keep = np.arange(h.shape[h.time_axis])[:, None] < lengths[:, None]  # [beam, time, batch]
    assert h.time_axis == 1 and h.batch_axis == 2
    values = np.asarray(h.data)[keep]
    wanted = (np.asarray(h.data) - values.mean(0)) / np.sqrt(values.var(0) + 1e-3)
    np.testing.assert_allclose(np.asarray(found.data)[keep], wanted[keep], rtol=1e-4, atol=1e-5)
    (mean,) = [v for of in after.values() for k, v in of.items() if k.endswith("mean")]
    np.testing.assert_allclose(mean.ravel(), 0.99 * values.mean(0), rtol=1e-4, atol=1e-6)
    assert mean.shape == (1, 1, 2)


def test_a_search_whose_end_has_one_feature():
    """As of a network that says by one output how likely it is over."""
    plain = decoder({"beam_size": 3})
    net = decoder({"beam_size": 3})
    net["output"]["unit"]["over"] = plain["output"]["unit"]["end"]
    net["output"]["unit"]["end"] = {"class": "expand_dims", "axis": "F", "dim": 1, "from": "over"}
    np.testing.assert_array_equal(search(net).outputs["decision"].data, search(plain).outputs["decision"].data)
