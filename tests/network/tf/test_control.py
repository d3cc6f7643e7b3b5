"""TensorFlow's loops, scopes and segments on JAX."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.network.tf import tf


def halved(x, n):
    """`x` halved as long as its largest entry is above n."""
    return tf.while_loop(lambda i, x: tf.reduce_max(x) > n, lambda i, x: (i + 1, x * tf.cast(0.5, "float32")), (0, x))


def test_a_loop_whose_end_only_values_tell_and_its_gradient():
    for wrap in (lambda f: f, jax.jit):
        steps, y = wrap(halved)(jnp.array([5.0, 3.0]), 1.0)
        assert int(steps) == 3 and np.allclose(y, [0.625, 0.375])
        gradient = wrap(jax.grad(lambda x, n: jnp.sum(halved(x, n)[1] ** 2)))(jnp.array([5.0, 3.0]), 1.0)
        assert np.allclose(gradient, [2 * 0.625 / 8, 2 * 0.375 / 8])


def test_what_a_loop_closes_over_has_a_gradient_too():
    def power(w, n):
        return tf.while_loop(lambda i, y: i < n, lambda i, y: (i + 1, y * w), (0, jnp.ones(())))[1]

    assert np.allclose(jax.jit(jax.grad(power))(2.0, 5), 5 * 2.0**4)


def test_a_loop_that_is_known_is_unrolled():
    found = jax.make_jaxpr(lambda x: tf.while_loop(lambda i, x: tf.less(i, 3), lambda i, x: (i + 1, x * x), (0, x))[1])(
        2.0
    )
    assert "while" not in str(found) and str(found).count("mul") == 3
    assert tf.while_loop(lambda i: i < 10, lambda i: i + 1, [0]) == 10
    assert tf.while_loop(lambda i: True, lambda i: i + 1, 0, maximum_iterations=4) == 4


def test_scopes_and_summaries_do_nothing():
    with tf.device("/gpu:0"), tf.name_scope("a"), tf.control_dependencies([tf.summary.scalar("x", 1)]):
        assert tf.summary.image("a", None, max_outputs=3) is None and tf.add(1, 2) == 3


def test_the_best_of_a_number_that_is_computed():
    x = jnp.array([[1.0, 3.0, 2.0]])
    assert tf.nn.top_k(x, 2)[1].tolist() == [[1, 2]]
    assert jax.jit(lambda k: tf.nn.top_k(x, k)[1][:, :2])(2).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "name, wanted", [("min", [1, 0, 3]), ("max", [2, 0, 3]), ("sum", [3, 0, 3]), ("mean", [1.5, 0, 3])]
)
def test_segments(name, wanted):
    data, ids = jnp.array([1.0, 2.0, 3.0]), jnp.array([0, 0, 2])
    assert getattr(tf.math, f"segment_{name}")(data, ids).tolist() == wanted
    assert jax.jit(getattr(tf, f"segment_{name}"))(data, ids).tolist() == wanted
    assert getattr(tf.math, f"unsorted_segment_{name}")(data[::-1], ids[::-1], 3).tolist() == wanted


def test_a_loop_ends_after_a_bounded_number_of_steps():
    """A million steps take seconds; what comes of a loop that was cut is no number."""

    @jax.jit
    def count(n):
        return tf.while_loop(lambda i, x: i < n, lambda i, x: (i + 1, x + 1.0), (0, jnp.zeros(2)))

    i, x = count(jnp.int32(2**20))
    assert i == 2**20 and (x == 2**20).all()
    i, x = count(jnp.int32(2_000_000_000))
    assert i == np.iinfo(np.int32).min and np.isnan(x).all()

    def nested(n):
        inner = lambda x: tf.while_loop(lambda i, y: i < n, lambda i, y: (i + 1, y + 1.0), (0, x))[1]  # noqa: E731
        return tf.while_loop(lambda i, x: i < 2, lambda i, x: (i + 1, inner(x)), (jnp.int32(0), jnp.zeros(())))[1]

    assert jax.jit(nested)(1000) == 2000 and np.isnan(jax.jit(nested)(1_000_000))
    with pytest.raises(tn.TenureError, match="more than the 1048576"):
        tf.while_loop(lambda i: i < jnp.int32(3), lambda i: i + 1, 0, maximum_iterations=10**9)


def test_running_results_along_the_first_axis():
    x = jnp.arange(6.0).reshape(3, 2)
    assert np.allclose(tf.scan(lambda a, b: a * 0.5 + b, x), [[0, 1], [2, 3.5], [5, 6.75]])
    assert np.allclose(tf.scan(lambda a, b: a + b, x, tf.zeros([2]), reverse=True), [[6, 9], [6, 8], [4, 5]])
    assert np.allclose(tf.foldl(lambda a, b: a + b, x), [6, 9]) and np.allclose(tf.foldr(lambda a, b: a - b, x), [2, 1])
    assert np.allclose(tf.scan(lambda a, b: a + b, x, tf.zeros([2]), 10), jnp.cumsum(x, 0))  # of which 10 at once
    assert np.allclose(tf.foldl(lambda a, b: a + b, x, tf.ones([2]), 10), [7, 10])
    assert tf.foldl(lambda a, b: a + b, x[:0], tf.ones([2])).tolist() == [1, 1]
    assert np.allclose(tf.scan(lambda a, b: a + b / 2, x[1:, 0], 0), [1, 3])
    with pytest.raises(TypeError, match="carry"):
        tf.scan(lambda a, b: a + b / 2, x[:, 0], jnp.int32(0))  # which would lose fractions


def test_the_first_case_that_holds():
    def choose(x):
        return tf.case([(x < 0, lambda: x - 1), (x < 9, lambda: x * 2)], default=lambda: x * 0)

    for wrap in (lambda f: f, jax.jit):
        assert [float(wrap(choose)(jnp.asarray(v))) for v in (-1.0, 3.0, 10.0)] == [-2, 6, 0]


def test_a_function_with_a_gradient_of_its_own():
    clipped = tf.custom_gradient(lambda x: (x * 2, lambda dy: dy * 7))
    assert np.allclose(jax.grad(lambda x: jnp.sum(clipped(x)))(jnp.ones(2)), 7) and float(clipped(3.0)) == 6


@pytest.mark.parametrize("name", ["py_func", "py_function", "gradients"])
def test_what_is_refused_says_what_to_write(name):
    with pytest.raises(tn.TenureError, match=name) as e:
        getattr(tf, name)
    assert "layer" in str(e.value) or "tf.scan" in str(e.value)


def growing(count, inside):
    """A loop of `count` steps whose array grows, and in each step another one of `inside` steps."""

    def inner(y):
        return tf.while_loop(lambda j, _: j < inside, lambda j, y: (j + 1, tf.concat([y, y[-1:]], 0)[: j + 2]), (0, y))

    def outer(i, x):
        return i + 1, tf.concat([x, inner(x[:1])[1][-1:]], 0)

    return jax.eval_shape(lambda x: tf.while_loop(lambda i, _: i < count, outer, (0, x))[1], jnp.ones((1, 2)))


def test_a_loop_of_growing_arrays_is_unrolled_within_a_bound_that_loops_inside_of_it_share():
    assert growing(130, 2).shape == (131, 2) and growing(3, 130).shape == (4, 2)
    for count, inside in ((5000, 0), (120, 120)):  # of the latter, each loop is short enough by itself
        began = time.monotonic()
        with pytest.raises(tn.TenureError, match="more than 4096 steps, those of loops inside of it included"):
            growing(count, inside)
        assert time.monotonic() - began < 30


def test_a_known_loop_inside_of_others_goes_on_as_one_of_the_program_where_too_much_is_unrolled():
    def inner(x):
        return tf.while_loop(lambda j, _: j < 90, lambda j, y: (j + 1, y + 1), (0, x))[1]

    found = jax.jit(lambda x: tf.while_loop(lambda i, _: i < 60, lambda i, x: (i + 1, inner(x)), (0, x))[1])
    text = str(jax.make_jaxpr(found)(jnp.zeros(())))
    assert found(0.0) == 60 * 90 and "while" in text and text.count("add") < 4500


def test_entries_that_a_function_needs_as_numbers():
    given = np.arange(3)
    found = tf.map_fn(lambda n: tf.pad(tf.ones([2]), [[n, 2 - n]]), given)
    assert found.tolist() == [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    with pytest.raises(tn.TenureError, match="more than 4096 steps"):
        tf.map_fn(lambda n: tf.pad(tf.ones([2]), [[n, 5000 - n]]), np.arange(5000))
