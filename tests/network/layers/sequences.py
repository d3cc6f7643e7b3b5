"""The sequences that layers are run on, and their comparison one by one."""

import numpy as np

from tests.network.layers.running import LENGTHS, X


def per_sequence(found, expected, tolerance=1e-5):
    """Compares [B, T, …] with a list of what each sequence should be."""
    for row, wanted in zip(found, expected, strict=True):
        assert np.allclose(row[: len(wanted)], wanted, atol=tolerance), (row[: len(wanted)], wanted)


SEQUENCES = [X[b, :n] for b, n in enumerate(LENGTHS)]
