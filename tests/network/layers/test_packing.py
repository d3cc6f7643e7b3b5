"""Chunks of sequences, sequences without their padding, and the ways back."""

import numpy as np

from tests.network.layers.running import KEEP, X, lengths, run
from tests.network.layers.sequences import SEQUENCES, per_sequence


def test_chunks_and_back():
    net = {
        "c": {"class": "time_chunking", "chunk_size": 4, "chunk_step": 2, "from": "data"},
        "x": {"class": "time_unchunking", "chunking_layer": "c", "from": "c"},
    }
    result = run(net)[0]
    chunks = result.outputs["c"]
    assert chunks.shape == (4, 6, 5) and lengths(chunks, 0).tolist() == [4, 4, 4, 2, 1, 0]
    per_sequence(np.asarray(result.outputs["x"].batch_first().data), SEQUENCES)


def test_packing_and_back():
    for major in (True, False):
        net = {
            "f": {"class": "flatten_batch", "batch_major": major, "from": "data"},
            "x": {"class": "unflatten_batch", "from": "f"},
        }
        result = run(net)[0]
        flat = np.asarray(result.outputs["f"].data)
        assert np.allclose(flat, X[KEEP] if major else X.transpose(1, 0, 2)[KEEP.T])
        per_sequence(np.asarray(result.outputs["x"].batch_first().data), SEQUENCES)
