"""Losses of whole sequences, as layers have them."""

import numpy as np

from tests.network.layers.running import LABELS, LENGTHS, run
from tests.network.losses.ngrams import counted


def test_as_a_loss():
    net = {
        "flip": {"class": "eval", "from": "data:classes", "eval": "tf.minimum(source(0), 2)"},
        "output": {"class": "copy", "from": "flip", "loss": "bleu", "target": "classes"},
    }
    result, _ = run(net)
    loss = result.losses["output"]
    wanted = sum(counted(np.minimum(r[:n], 2).tolist(), r[:n].tolist()) for r, n in zip(LABELS, LENGTHS, strict=True))
    assert loss.loss is None and np.allclose(loss.error, -wanted, rtol=1e-5) and float(result.objective) == 0
