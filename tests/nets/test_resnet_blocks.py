import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.nets.resnet_blocks import BlockGroup, BlockV1, BlockV2

IMAGES = jnp.asarray(np.random.default_rng(0).normal(size=(2, 8, 8, 8)), jnp.float32)


def model_of(make):
    return tn.transform_with_state(lambda x: make()(x, is_training=True, test_local_stats=False))


@pytest.mark.parametrize("block", [BlockV1, BlockV2])
def test_a_bottleneck_is_narrow_in_the_middle(block):
    model = model_of(lambda: block(8, 1, False, {"decay_rate": 0.9}, bottleneck=True, name="b"))
    params, _ = jax.eval_shape(model.init, jax.random.key(0), IMAGES)
    kernels = [params[f"b/~/conv_{i}"]["w"].shape for i in range(3)]
    assert kernels == [(1, 1, 8, 2), (3, 3, 2, 2), (1, 1, 2, 8)]


def test_a_bottleneck_of_version_1_starts_as_its_shortcut():
    """The scale of its last norm starts at zero."""
    model = model_of(lambda: BlockV1(8, 1, False, {}, bottleneck=True))
    params, state = model.init(jax.random.key(0), IMAGES)
    out, _ = model.apply(params, state, None, IMAGES)
    np.testing.assert_allclose(out, jax.nn.relu(IMAGES), atol=1e-6)


@pytest.mark.parametrize("v2", [False, True])
def test_the_first_block_of_a_group_has_the_stride_and_the_projection(v2):
    model = model_of(lambda: BlockGroup(16, 3, 2, {"decay_rate": 0.9}, v2, False, True, name="g"))
    params, state = jax.eval_shape(model.init, jax.random.key(0), IMAGES)
    out, _ = jax.eval_shape(model.apply, params, state, None, IMAGES)
    assert out.shape == (2, 4, 4, 16)
    assert [name for name in params if name.endswith("shortcut_conv")] == ["g/~/block_0/~/shortcut_conv"]
