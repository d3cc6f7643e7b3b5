import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.nets.vector_quantizer import VectorQuantizer, VectorQuantizerEMA

CODES = jnp.asarray([[0.0, 10.0, -10.0], [0.0, 10.0, 10.0]])  # three codes of size 2
VECTORS = jnp.asarray([[9.0, 9.0], [1.0, 0.0], [-8.0, 12.0], [11.0, 10.0]])
PARAMS = {"vector_quantizer": {"embeddings": CODES}}


def quantizer(x):
    return VectorQuantizer(2, 3, 0.25)(x, is_training=True)


def test_each_vector_becomes_the_nearest_code():
    found = tn.transform(quantizer).apply(PARAMS, None, VECTORS)
    np.testing.assert_array_equal(found["encoding_indices"], [1, 0, 2, 1])
    np.testing.assert_allclose(found["quantize"], CODES.T[jnp.asarray([1, 0, 2, 1])], atol=1e-6)
    np.testing.assert_allclose(found["perplexity"], np.exp(1.5 * np.log(2)), rtol=1e-5)  # frequencies 1/4, 1/2, 1/4
    np.testing.assert_allclose(found["loss"], 1.25 * (1 + 1 + 1 + 0 + 4 + 4 + 1 + 0) / 8, rtol=1e-6)


def test_the_gradient_of_codes_goes_to_the_inputs():
    apply = tn.transform(quantizer).apply
    params, inputs = jax.grad(lambda p, x: 3 * apply(p, None, x)["quantize"].sum(), argnums=(0, 1))(PARAMS, VECTORS)
    np.testing.assert_array_equal(inputs, np.full((4, 2), 3))
    np.testing.assert_array_equal(params["vector_quantizer"]["embeddings"], np.zeros((2, 3)))


def test_codes_move_to_the_averages_of_their_vectors_in_training_only():
    def averaging(x, is_training):
        return VectorQuantizerEMA(2, 3, 0.25, decay=0.5)(x, is_training)["quantize"]

    model = tn.transform_with_state(averaging)
    _, state = model.init(jax.random.key(0), VECTORS, True)
    state["vector_quantizer_ema"]["embeddings"] = CODES
    _, same = model.apply({}, state, None, VECTORS, False)
    np.testing.assert_array_equal(same["vector_quantizer_ema"]["embeddings"], CODES)
    for _ in range(30):
        _, state = model.apply({}, state, None, VECTORS, True)
    averages = [[1.0, 10.0, -8.0], [0.0, 9.5, 12.0]]
    np.testing.assert_allclose(state["vector_quantizer_ema"]["embeddings"], averages, rtol=1e-3, atol=1e-3)


def test_a_decay_above_one():
    with pytest.raises(ValueError, match="decay"):
        tn.transform_with_state(lambda: VectorQuantizerEMA(2, 3, 0.25, decay=1.5)).init(jax.random.key(0))
