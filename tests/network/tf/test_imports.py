"""`import tensorflow` in functions of configs."""

import numpy as np
import pytest

from tests.network.functions_of_configs import outputs
from tests.network.layers.running import X


def test_a_function_that_imports_tensorflow_gets_what_is_mapped():
    def doubled(x):
        import tensorflow.compat.v1 as tf
        from TFUtil import where_bc

        return where_bc(tf.less(x, 0.0), 0.0, tf.add(x, x))

    def f(data, network, **_):
        import tensorflow as tf

        return tf.nn.relu(doubled(data.placeholder))

    assert np.allclose(outputs(f), np.maximum(2 * X, 0))
    with pytest.raises(ImportError):
        doubled(X)
