"""Expressions as data: what they may do, and what they may not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure import TenureError
from tenure.network.expressions import ExpressionError, parse
from tenure.network.tf import activation, tf
from tenure.network.tf.static import UnknownTensorFlowError

X = jnp.arange(6.0).reshape(2, 3)


def run(source, /, **names):
    return parse(source)({"tf": tf, "x": X, **names})


@pytest.mark.parametrize(
    "source",
    [
        "x[0, 1:] + 2 ** 3",
        "[a * b for a in range(3) for b in (1, 2) if a != b]",
        "(lambda a, b=2, *c, d=1, **e: a + b + d)(1, d=5)",
        "{'a': 1, **{'b': 2}}['b'] if not False else 0",
        "1 < 2 < 3 and (4 or 5)",
        "x.shape[-1] // 2 % 2",
        "max(len([1, 2]), 1) + sum(v for v in (1, 2))",
        "-x.T @ x",
    ],
)
def test_means_what_python_means(source):
    found, expected = run(source), eval(source, {"x": X})
    assert jax.tree.all(jax.tree.map(lambda a, b: bool(jnp.all(jnp.asarray(a) == jnp.asarray(b))), found, expected))


@pytest.mark.parametrize(
    "source",
    [
        "().__class__.__mro__",
        "x.__class__",
        "tf._members",
        "tf.nn.__dict__",
        "__import__('os')",
        "open('/etc/passwd')",
        "x.tofile('f')",
        "9 ** 9 ** 9",
        "1 << 10 ** 10",
        "[1] * 10 ** 9",
        "range(10 ** 9)",
        "'%999999999d' % 1",
        "(lambda f: f(f))(lambda f: f(f))",
        "[a := 1]",
        "f'{x}'",
        "tf.zeros([10 ** 9, 10 ** 9])",
        "tf.range(10 ** 12)",
        "x.foo",
        "tf.nn.rellu(x)",
        "x + nothing",
        "a if",
        "(" * 500,
        "1" * 30_000,
        "",
    ],
)
def test_refuses(source):
    with pytest.raises(TenureError):
        run(source)


def test_the_message_shows_the_expression_and_the_nearest_name():
    with pytest.raises(ExpressionError, match="'sorce' is unknown") as error:
        run("sorce(0) + 1", source=lambda i: X)
    assert error.value.near[0] == "source"
    with pytest.raises(UnknownTensorFlowError) as error:
        run("tf.nn.rellu(x)")
    assert error.value.near[0] == "relu"


def test_a_failing_operation_is_an_error_of_the_expression():
    with pytest.raises(ExpressionError, match="fails with ValueError"):
        run("x + tf.zeros([7])")


def test_sizes_stay_known_under_jit():
    expression = parse(
        "tf.ones(tf.shape(x)) + tf.reshape(x, [tf.shape(x)[0], -1]) * tf.cast(tf.shape(x)[1], tf.float32)"
    )
    found = jax.jit(lambda x: expression({"tf": tf, "x": x}))(X)
    assert np.allclose(found, 1 + X * 3)


CASES = {
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


@pytest.mark.parametrize(
    "text, expected",
    [
        ("relu", np.maximum(X - 2, 0)),
        (None, X - 2),
        ("identity", X - 2),
        ("2 * sigmoid + 1", 2 / (1 + np.exp(-(X - 2))) + 1),
        ("tf.nn.relu(x) ** 2", np.maximum(X - 2, 0) ** 2),
        ("safe_exp", np.exp(X - 2)),
    ],
)
def test_activations(text, expected):
    assert np.allclose(activation(text)(X - 2), expected, atol=1e-6)


def test_safe_log_keeps_its_gradient_below_the_bound():
    assert jax.grad(activation("safe_log"))(jnp.float32(1e-25)) == pytest.approx(1e20)


def test_an_unknown_activation_names_the_nearest():
    with pytest.raises(TenureError) as error:
        activation("sigmiod")
    assert "sigmoid" in error.value.near
