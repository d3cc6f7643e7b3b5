"""Layers that hand on their input, and tell the world about it."""

import jax
import numpy as np
import pytest

from tests.network.layers.running import X, output


@pytest.mark.parametrize(
    "options",
    [{"class": "print"}, {"class": "identity"}, {"class": "hdf_dump", "filename": "x"}, {"class": "image_summary"}],
    ids=lambda o: o["class"],
)
def test_the_input_is_handed_on(options, capfd):
    found, _ = output(options)
    jax.effects_barrier()
    np.testing.assert_array_equal(found, X)
    assert ("print layer x" in capfd.readouterr().out) == (options["class"] == "print")
