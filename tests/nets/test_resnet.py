import jax
import jax.numpy as jnp
import pytest

import tenure as tn
from tenure.nets import resnet

SMALL = {
    "num_classes": 5,
    "blocks_per_group": (1, 2, 1, 1),
    "bottleneck": False,
    "channels_per_group": (4, 8, 8, 8),
    "use_projection": (False, True, True, True),
    "initial_conv_config": {"output_channels": 4},
}


def made(**options):
    """The shapes of logits and parameters of a small network."""
    model = tn.transform_with_state(lambda x: resnet.ResNet(**{**SMALL, **options})(x, is_training=True))
    images = jnp.zeros((2, 32, 32, 3))
    params, state = jax.eval_shape(model.init, jax.random.key(0), images)
    logits, _ = jax.eval_shape(model.apply, params, state, None, images)
    return logits.shape, {f"{m}/{name}": x.shape for m, of in params.items() for name, x in of.items()}


@pytest.mark.parametrize("what", ["blocks_per_group", "channels_per_group", "strides"])
def test_there_are_four_groups(what):
    with pytest.raises(ValueError, match=f"`{what}` must be of length 4 not 3"):
        made(**{what: (1, 1, 1)})


@pytest.mark.parametrize(("layers", "blocks"), [(18, 8), (34, 16), (50, 16), (101, 33), (152, 50), (200, 66)])
def test_published_networks_have_the_layers_that_they_are_called_after(layers, blocks):
    config = resnet.ResNet.CONFIGS[layers]
    assert sum(config["blocks_per_group"]) == blocks
    assert 2 + blocks * (3 if config["bottleneck"] else 2) == layers


@pytest.mark.parametrize("v2", [False, True])
def test_where_batch_norms_are(v2):
    """Version 2 has one at the end, in place of those at the start and in shortcuts."""
    logits, shapes = made(resnet_v2=v2)
    names = " ".join(shapes)
    assert logits == (2, 5)
    assert [part in names for part in ("initial_batchnorm", "shortcut_batchnorm", "final_batchnorm")] == [
        not v2,
        not v2,
        v2,
    ]
