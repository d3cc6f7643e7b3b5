import jax
import jax.numpy as jnp
import pytest

import tenure as tn
from tenure.nets.mobilenet import MobileNetV1, MobileNetV1Block

IMAGES = jnp.zeros((2, 17, 17, 3))


@pytest.mark.parametrize("use_bn", [True, False])
def test_biases_are_where_batch_norms_are_not(use_bn):
    model = tn.transform_with_state(lambda x: MobileNetV1((1, 2), (4, 8), 5, use_bn)(x, is_training=True))
    params, state = jax.eval_shape(model.init, jax.random.key(0), IMAGES)
    logits, _ = jax.eval_shape(model.apply, params, state, None, IMAGES)
    assert logits.shape == (2, 5)
    assert bool(state) == use_bn
    assert all(("b" in of) != use_bn for name, of in params.items() if "conv" in name)


def test_a_block_has_one_filter_for_each_channel_and_then_mixes_them():
    model = tn.transform_with_state(lambda x: MobileNetV1Block(8, stride=2, name="b")(x, is_training=True))
    params, state = jax.eval_shape(model.init, jax.random.key(0), IMAGES)
    out, _ = jax.eval_shape(model.apply, params, state, None, IMAGES)
    assert out.shape == (2, 9, 9, 8)
    assert (params["b/depthwise_conv"]["w"].shape, params["b/pointwise_conv"]["w"].shape) == (
        (3, 3, 1, 3),
        (1, 1, 3, 8),
    )


def test_a_stride_for_each_block():
    with pytest.raises(ValueError, match="same length"):
        tn.transform_with_state(lambda x: MobileNetV1((1,), (4, 8))(x, True)).plan(IMAGES)
