"""Cores over time: the same values bit by bit, the gradients of the plain loop, and cores that go step by step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import nn
from tenure.core.run import hooks
from tests.sample import sample

RESETS = jnp.array([[0, 0], [0, 1], [1, 0], [0, 0], [1, 1]], bool)


def own(cls):
    """The class with a `__call__` of its own, which therefore runs step by step."""

    def call(self, inputs, state):
        return cls.__call__(self, inputs, state)

    return type(cls.__name__, (cls,), {"__call__": call})


CORES = {
    "rnn": (lambda cls: cls(nn.VanillaRNN)(3), (5, 2, 3)),
    "rnn, one bias": (lambda cls: cls(nn.VanillaRNN)(3, double_bias=False), (5, 3)),
    "lstm": (lambda cls: cls(nn.LSTM)(3), (5, 2, 3)),
    "gru": (lambda cls: cls(nn.GRU)(3), (5, 2, 3)),
    "reset-after gru": (lambda cls: cls(nn.ResetAfterGRU)(3), (5, 2, 3)),
    "reset": (lambda cls: nn.ResetCore(cls(nn.LSTM)(3)), (5, 2, 3)),
    "conv": (lambda cls: cls(nn.ConvNDLSTM)(1, (4,), 2, 3), (5, 2, 4, 2)),
}


def model(make, cls, **how):
    def run(x):
        core = make(cls)
        inputs = (x, RESETS) if isinstance(core, nn.ResetCore) else x
        batch = None if x.ndim == 2 else x.shape[1]
        return nn.dynamic_unroll(core, inputs, core.initial_state(batch), **how)

    return tn.transform(run)


HOW = {
    "forwards": {},
    "backwards, with remat": {"reverse": True, "remat": 2},
    "all states": {"return_all_states": True},
}


@pytest.mark.parametrize("case", sample([(name, how) for name in CORES for how in HOW], 2, ", ".join))
def test_values_and_gradients_are_those_of_the_steps(case):
    name, how = case[0], HOW[case[1]]
    make, shape = CORES[name]
    x = jax.random.normal(jax.random.key(0), shape)
    fast, plain = (
        model(make, lambda cls: cls, **how),
        model(make, own, **{k: v for k, v in how.items() if k != "remat"}),
    )
    params = jax.tree.map(lambda a: a + 0.1, fast.init(jax.random.key(1), x))

    def loss(m):
        return lambda p, x: sum(jnp.sum(jnp.sin(a) ** 2) for a in jax.tree.leaves(m.apply(p, None, x)))

    @jax.jit
    def both(p, x):
        return [(m.apply(p, None, x), jax.grad(loss(m), (0, 1))(p, x)) for m in (fast, plain)]

    (values, grads), (expected, expected_grads) = both(params, x)
    assert jax.tree.structure(params) == jax.tree.structure(expected_grads[0])
    for one, other in zip(jax.tree.leaves(values), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(jax.tree.leaves(grads), jax.tree.leaves(expected_grads), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


def test_a_core_of_its_own_with_remat():
    def cumulative(remat):
        def run(x):
            return nn.dynamic_unroll(lambda x, h: (jnp.sin(h + x),) * 2, x, jnp.zeros(()), remat=remat)[0].sum()

        return jax.grad(run)(jnp.arange(4.0))

    np.testing.assert_allclose(cumulative(True), cumulative(False), rtol=1e-6)


def test_an_interceptor_sees_every_call():
    seen = []

    def count(next_method, args, kwargs, context):
        seen.append(context.method_name)
        return next_method(*args, **kwargs)

    with hooks.intercept_methods(count):
        model(*CORES["gru"][:1], lambda cls: cls).plan(jnp.ones((5, 2, 3)))
    assert "__call__" in seen and "over_time" not in seen


def test_a_tied_matrix_has_the_sum_of_its_gradients():
    def run(x):
        one, two = nn.GRU(3, name="one"), nn.GRU(3, name="two", share={"w_h": "one/w_h"})
        y, _ = nn.dynamic_unroll(one, x, one.initial_state(2))
        return nn.dynamic_unroll(two, y, two.initial_state(2))[0]

    tied = tn.transform(run)
    x = jax.random.normal(jax.random.key(0), (4, 2, 3))
    params = tied.init(jax.random.key(1), x)
    assert "w_h" not in params["two"]
    untied = tn.transform(run, ties={"two/w_h": tn.own})
    apart = {**params, "two": {**params["two"], "w_h": params["one"]["w_h"]}}
    grads = jax.grad(lambda p: untied.apply(p, None, x).sum())(apart)
    found = jax.grad(lambda p: tied.apply(p, None, x).sum())(params)
    np.testing.assert_allclose(found["one"]["w_h"], grads["one"]["w_h"] + grads["two"]["w_h"], rtol=1e-5)


@pytest.mark.parametrize("name", ["static_unroll", "dynamic_unroll"])
def test_unrolling_outside_of_a_transform(name: str) -> None:
    def core(x: jax.Array, total: jax.Array) -> tuple[jax.Array, jax.Array]:
        return total * x, total + x

    outs, last = getattr(nn, name)(core, jnp.arange(1.0, 5.0), jnp.float32(0))
    np.testing.assert_array_equal(outs, [0, 2, 9, 24])
    assert last == 10


def test_unrolled_parameters_are_owned_once() -> None:
    def model(xs: jax.Array) -> jax.Array:
        core = nn.LSTM(4)
        return nn.dynamic_unroll(core, xs, core.initial_state(2))[0]

    params = tn.transform(model).plan(jnp.ones((50, 2, 3))).params
    assert jax.tree.map(lambda a: a.shape, params) == {"lstm/linear": {"w": (7, 16), "b": (16,)}}
