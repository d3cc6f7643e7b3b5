"""Layers on the frames that a mask keeps."""

import numpy as np

from tests.network.layers.running import LABELS, lengths, run
from tests.network.layers.sequences import SEQUENCES, per_sequence


def test_masked_computation_and_unmask():
    mask = {"class": "compare", "kind": "greater", "value": 1, "from": "data:classes"}
    unit = {"class": "linear", "activation": None, "n_out": 2, "from": "data"}
    net = {
        "m": mask,
        "x": {"class": "masked_computation", "mask": "m", "unit": unit, "from": "data"},
        "u": {"class": "unmask", "mask": "m", "from": "x"},
        "output": {"class": "copy", "from": "u"},
    }
    result, params = run(net)
    w, b = (np.asarray(params["x"][n]) for n in "Wb")
    kept = [s[LABELS[i, : len(s)] > 1] @ w + b for i, s in enumerate(SEQUENCES)]
    found = result.outputs["x"]
    per_sequence(np.asarray(found.batch_first().data), kept)
    assert lengths(found, found.axis(found.time_dim)).tolist() == [len(k) for k in kept]
    full = np.asarray(result.outputs["u"].batch_first().data)
    for i, s in enumerate(SEQUENCES):
        index = np.cumsum(LABELS[i, : len(s)] > 1)
        table = np.concatenate([np.zeros((1, 2)), kept[i]])
        assert np.allclose(full[i, : len(s)], table[index], atol=1e-5)
