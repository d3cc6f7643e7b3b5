"""Dictionaries that want all memory or hours are refused by name, at once."""

import pytest

import tenure.network as network
from tenure import TenureError
from tests.seconds import spent

DATA = {"data": {"dim": 3}}
OUTER = "tf.reshape(tf.range(60000), [60000, 1]), tf.reshape(tf.range(60000), [1, 60000])"
EXPRESSIONS = [
    "[[0] * 10**5 for _ in range(10**5)]",
    "tf.range(10**9)",
    "tf.zeros([10**6, 10**6])",
    "'a' * 10**9",
    "sum([[0] * 10**5] * 10**5, [])",
    "list(zip(*[range(10**5)] * 10**5))",
    "(lambda f, n: f(f, n))(lambda f, n: [0] if n < 1 else [f(f, n - 1), f(f, n - 1)], 40)",
    "tf.constant((lambda f, n: f(f, n, [0]))(lambda f, n, x: x if n < 1 else f(f, n - 1, [x, x]), 60))",
    "(lambda f: f(f))(lambda f: f(f))",
    "tf.while_loop(lambda i: True, lambda i: i + 1, 0)",
    f"tf.multiply({OUTER})",
    f"(lambda a, b: a * b)({OUTER})",
    "tf.one_hot(0, 10**10)",
    "tf.eye(10**6)",
    "tf.random.uniform([10**7, 10**7])",
    "tf.tile(source(0), [10**4, 10**4, 10**4])",
    "tf.linspace(0.0, 1.0, 10**12)",
    "'%s' * 1000 % (('x' * 100000,) * 1000)",
    "[{'a': x for x in [[0] * 10**5] * 10}]",
]
LAYERS = [
    {"class": "linear", "n_out": 10**13},
    {"class": "constant", "shape": [10**7, 10**7], "from": []},
    {"class": "variable", "shape": [10**7, 10**7], "from": []},
    {"class": "window", "window_size": 10**9},
    {"class": "repeat", "repetitions": 10**12},
    {"class": "pad", "axes": "T", "padding": (10**10, 10**10)},
    {"class": "relative_positional_encoding", "n_out": 3, "clipping": 10**12},
    {"class": "range", "limit": 10**12},
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_are_bounded(expression):
    def build():
        with pytest.raises(TenureError, match="layer 'output'"):
            network.network({"output": {"class": "eval", "eval": expression, "from": "data"}}, DATA, behavior_version=0)

    assert spent(build, 10) < 10


@pytest.mark.parametrize("options", LAYERS, ids=lambda o: o["class"])
def test_sizes_are_bounded(options):
    with pytest.raises(TenureError, match="layer 'output'"):
        network.network({"output": {"from": "data", **options}}, DATA)
