"""TensorFlow's names on JAX's arrays."""

import numpy as np
import pytest

import tenure as tn
from tests.network.expressions_of_x import X, run

CASES = {
    "tf.bitwise.bitwise_xor(tf.cast(x, tf.int32), 3)": np.asarray(X).astype(int) ^ 3,
    "tf.clip_by_value(x, 1.0, clip_value_max=3.0)": np.clip(X, 1, 3),
    "tf.reduce_mean(x, axis=-1, keep_dims=True)": np.mean(X, -1, keepdims=True),
    "tf.reduce_sum(x, reduction_indices=[0])": np.sum(X, 0),
    "tf.cast(x > 2, tf.int32)": (np.asarray(X) > 2).astype(int),
    "tf.where(x > 2, x, tf.zeros_like(x))": np.where(X > 2, X, 0),
    "tf.concat([x, x], axis=1)": np.concatenate([X, X], 1),
    "tf.transpose(x, perm=[1, 0])": np.transpose(X),
    "tf.matmul(x, x, transpose_b=True)": np.asarray(X) @ np.asarray(X).T,
    "tf.nn.leaky_relu(x - 3)": np.where(np.asarray(X) > 3, X - 3, 0.2 * (np.asarray(X) - 3)),
    "tf.one_hot([0, 2], 3)": np.eye(3)[[0, 2]],
    "tf.split(x, [1, -1], axis=1)[1]": np.asarray(X)[:, 1:],
    "tf.cumsum(x, axis=1, exclusive=True, reverse=True)": np.array([[3, 2, 0], [9, 5, 0]]),
    "tf.gather(x, [1, 0], axis=1)": np.asarray(X)[:, [1, 0]],
    "tf.sequence_mask([1, 3], 3)": np.array([[1, 0, 0], [1, 1, 1]], bool),
    "tf.math.divide_no_nan(x, x - x)": np.zeros((2, 3)),
    "tf.argmax(x)": np.array([1, 1, 1]),
    "tf.round([0.5, 1.5, 2.5])": np.array([0, 2, 2]),
    "tf.squared_difference(x, 1.0)": (np.asarray(X) - 1) ** 2,
    "tf.compat.v1.math.log1p(x)": np.log1p(X),
    "tf.nn.sparse_softmax_cross_entropy_with_logits(logits=x, labels=[0, 2])": np.array([2.4076059, 0.4076059]),
    "tf.nn.l2_loss(x)": np.sum(np.square(X)) / 2,
    "tf.pad(x, [[0, 0], [1, 0]])": np.pad(X, [(0, 0), (1, 0)]),
    "tf.slice(x, [0, 1], [-1, 2])": np.asarray(X)[:, 1:],
    "tf.expand_dims(x, axis=1)": np.asarray(X)[:, None],
    "tf.div(7, 2)": 3,
    "tf.reduce_mean([1, 2])": 1,
}


@pytest.mark.parametrize("source", CASES)
def test_tensorflow_names(source):
    assert np.allclose(run(source), CASES[source], atol=1e-6)


def test_a_convolution_is_a_layer():
    with pytest.raises(tn.TenureError, match="'class': 'conv'"):
        run("tf.nn.convolution(x, x)")
