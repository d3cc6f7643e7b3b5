"""The drivers of a loop's step: one program for any batch and length."""

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn
from tests.network.loops import DATA, RNN


def test_a_program_for_any_batch_and_length(batch):
    net = tn.network(RNN, DATA)
    params, state = net.init(jax.random.key(0), batch)
    b, t = jax.export.symbolic_shape("b, t")

    def run(x, lengths):
        return net.apply(params, state, None, {"data": (x, lengths)}, losses=False)[0].outputs["output"].data

    shapes = jax.ShapeDtypeStruct((b, t, 4), jnp.float32), jax.ShapeDtypeStruct((b,), jnp.int32)
    exported = jax.export.export(jax.jit(run))(*shapes)
    x, lengths = batch["data"]
    np.testing.assert_allclose(exported.call(x, lengths.astype("int32")), run(x, lengths), rtol=1e-5)
