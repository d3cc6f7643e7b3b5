"""`tf.TensorArray`: arrays that loops write and read, of one shape or growing."""

import importlib.util
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.functional.transducer import transducer_loss
from tenure.network.tf import tf

_spec = importlib.util.spec_from_file_location("transducers", pathlib.Path(__file__).parent / "transducers.py")
transducers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(transducers)


def test_what_is_written_is_read_stacked_and_joined():
    row = tf.TensorArray("float32", size=3).write(0, [1.0, 2.0]).write(2, [3.0, 4.0])
    assert row.read(2).tolist() == [3, 4] and row.size() == 3 and row.dtype == "float32"
    assert row.stack().tolist() == [[1, 2], [0, 0], [3, 4]] and row.concat().tolist() == [1, 2, 0, 0, 3, 4]
    assert row.gather([2, 0]).tolist() == [[3, 4], [1, 2]] and row.gather(jnp.array([2])).tolist() == [[3, 4]]
    assert row.write(1, [5.0, 6.0]).read(1).tolist() == [5, 6] and row.read(1).tolist() == [0, 0]
    pieces = tf.TensorArray("int32", size=2, infer_shape=False).split(jnp.arange(5), [2, 3])
    assert pieces.read(1).tolist() == [2, 3, 4] and pieces.concat().tolist() == [0, 1, 2, 3, 4]
    assert tf.TensorArray("int32", size=4).unstack([7, 8]).stack().tolist() == [7, 8, 0, 0]
    assert tf.TensorArray("int32", size=3).scatter([2, 0], [7, 8]).stack().tolist() == [8, 0, 7]
    grown = tf.TensorArray("int32", size=0, dynamic_size=True).write(1, 5)
    assert grown.size() == 2 and grown.stack().tolist() == [0, 5]
    assert tf.TensorArray("float32", size=2, element_shape=(3,)).read(1).tolist() == [0, 0, 0]


def squares(n, size=200):
    """Squares of the first n numbers, written into a row of a size."""
    row = tf.TensorArray("float32", size=size)
    return tf.while_loop(lambda i, _: i < n, lambda i, row: (i + 1, row.write(i, tf.cast(i * i, "float32"))), (0, row))[
        1
    ]


@pytest.mark.parametrize("n", [4, 150, jnp.int32(4)], ids=["unrolled", "more than are unrolled", "computed"])
def test_a_loop_that_writes(n):
    found = jax.jit(lambda n: squares(n).stack())(n) if isinstance(n, jax.Array) else squares(n).stack()
    wanted = np.arange(200.0) ** 2 * (np.arange(200) < n)
    assert np.array_equal(found, wanted)


def test_gradients_pass_what_a_loop_of_the_program_writes_and_reads():
    def total(x, n):
        row = tf.TensorArray("float32", size=5).write(0, x)
        body = lambda i, row: (i + 1, row.write(i, row.read(i - 1) * x))  # noqa: E731
        return tf.reduce_sum(tf.while_loop(lambda i, _: i < n, body, (1, row))[1].stack())

    assert np.allclose(jax.jit(jax.grad(total))(2.0, 4), 1 + 4 + 12 + 32)  # of x + x² + x³ + x⁴
    assert np.allclose(jax.grad(lambda x: total(x, 4))(2.0), 49)


def test_one_of_two_rows():
    row = tf.TensorArray("int32", size=2)
    choose = jax.jit(lambda p: tf.cond(p, lambda: row.write(0, 3), lambda: row).stack())
    assert choose(True).tolist() == [3, 0] and choose(False).tolist() == [0, 0]


def test_a_loss_over_diagonals_is_that_of_the_transducer():
    """The numbers are those of the same function with TensorFlow 2.21."""
    logits, labels, frames, lengths = transducers.example()
    weights = jnp.arange(1.0, 4)

    @jax.jit
    def loss(x):
        y = transducers.transducer(tf, tf.nn.log_softmax(x), labels, jnp.asarray(frames), jnp.asarray(lengths))
        return tf.reduce_sum(y * weights), y

    found, gradient = jax.grad(loss, has_aux=True)(logits)[::-1]
    assert np.allclose(found, [-8.542130, -8.492109, -8.727573], rtol=1e-5)
    assert np.allclose(gradient.ravel()[:4], [0.2422388, -0.0016708, -0.1591512, -0.0814168], atol=1e-6)
    assert np.allclose(np.abs(gradient).sum((1, 2, 3)), [9.135296, 19.21906, 29.65126], rtol=1e-5)
    ours = lambda x: -tf.reduce_sum(weights * transducer_loss(x, labels, frames, lengths))  # noqa: E731
    assert np.allclose(found, -transducer_loss(logits, labels, frames, lengths), rtol=1e-6)
    assert np.allclose(gradient, jax.grad(ours)(jnp.asarray(logits)), atol=1e-5)


def test_elements_of_different_shapes_are_read_entry_by_entry_at_computed_places():
    row = tf.TensorArray("float32", size=3, infer_shape=False)
    for i in range(3):
        row = row.write(i, tf.ones([2, i + 1]) * (i + 1.0))
    element = row.read(jnp.int32(1))
    assert element[0, jnp.int32(1)] == 2 and element[:, 0].tolist() == [2, 2] and element[1][0] == 2
    assert row.read(1).shape == (2, 2)
    for use in (
        lambda: element + 1,
        lambda: tf.reduce_sum(element),
        lambda: element.shape,
        lambda: element[0, :1],
        row.stack,
    ):
        with pytest.raises(tn.TenureError, match="shape"):
            use()


@pytest.mark.parametrize(
    "use, said",
    [
        (lambda: tf.TensorArray("float32", size=2).write(2, 1.0), "place 2 of a TensorArray of size 2"),
        (lambda: tf.TensorArray("float32", size=2).read(1), "no element that tells"),
        (lambda: tf.TensorArray("float32", 1, True).write(jnp.int32(0), 1.0).write(0, [1.0]), r"shape \(1,\)"),
        (lambda: tf.TensorArray("float32", flow=1), "'flow'"),
        (lambda: tf.TensorArray("float32", size=jnp.int32(2)).grad(), "grad"),
        (
            lambda: tf.while_loop(
                lambda i, r: i < jnp.int32(3),
                lambda i, r: (i + 1, r.write(i, 1.0)),
                (0, tf.TensorArray("float32", 0, True)),
            ),
            "dynamic_size grows",
        ),
    ],
)
def test_what_it_refuses(use, said):
    with pytest.raises((tn.TenureError, AttributeError), match=said):
        use()
