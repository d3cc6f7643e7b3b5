"""Making, joining and cutting arrays by TensorFlow's names."""

from tenure.network.tf import tf


def test_shapes():
    shape = tf.TensorShape([None, 40])
    assert (shape.ndims, shape.as_list(), shape.num_elements()) == (2, [None, 40], None)
    a, b = tf.meshgrid(tf.range(2), tf.range(3), indexing="ij")
    assert a.shape == b.shape == (2, 3) and b[0].tolist() == [0, 1, 2]
