"""What expressions see of a tensor."""

import jax.numpy as jnp
import numpy as np

from tenure.network.tf import tf
from tests.network.functions_of_configs import outputs
from tests.network.layers.running import KEEP, X


def test_the_form_of_data():
    seen = {}

    def f(data, network, **_):
        seen["axes"] = (
            data.get_dynamic_axes(),
            data.get_static_axes(),
            data.get_spatial_axes(),
            data.get_axes(exclude_batch=True),
        )
        seen["major"] = (data.is_batch_major, data.is_time_major, data.copy_as_time_major().is_time_major)
        seen["numbers"] = (
            data.dim,
            data.ndim,
            data.batch_ndim,
            data.time_dim_axis_excluding_batch,
            data.get_batch_dim(),
        )
        seen["shape"] = (
            data.placeholder.get_shape().ndims,
            data.placeholder.get_shape().as_list(),
            data.have_time_axis(),
        )
        same = jnp.stack([data.get_dynamic_size(1), data.get_sequence_lengths(), data.size_placeholder[0]])
        keep = data.get_sequence_mask() & data.get_sequence_mask_broadcast()[..., 0]
        y = tf.where(keep[..., None], data.get_placeholder_as_batch_major(), 9.0)
        return y + 0.0 * tf.cast(tf.reduce_sum(same), "float32")

    y = outputs(f)
    assert np.allclose(y[KEEP], X[KEEP]) and np.all(y[~KEEP] == 9)
    assert seen["axes"] == ([1], [2], [1], [1, 2]) and seen["major"] == (True, False, True)
    assert seen["numbers"] == (5, 2, 3, 0, 3) and seen["shape"] == (3, [3, 6, 5], True)
