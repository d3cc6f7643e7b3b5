"""Axes that nobody maps: planning is that of a single lane, applying is an error. Modules nested deeper than Python goes are named."""

import sys

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
from tenure import nn

KEY = jax.random.key(0)
X = jax.random.normal(KEY, (2, 4))


def norm(x):
    return nn.BatchNorm(True, True, 0.9)(x, is_training=True)


def across(x):
    return nn.BatchNorm(True, True, 0.9, cross_replica_axis="devices")(x, is_training=True)


def test_init_of_a_norm_outside_of_the_map_that_its_axis_belongs_to():
    model, lanes = tn.transform_with_state(across), jnp.stack([X, X + 1])
    params, state = model.init(KEY, X)
    one = tn.transform_with_state(norm).init(KEY, X)
    assert jax.tree.all(jax.tree.map(jnp.allclose, (params, state), one))
    assert jax.tree.structure(jax.jit(model.init)(KEY, X)) == jax.tree.structure(one)
    mapped = jax.vmap(model.apply, (None, None, None, 0), axis_name="devices")
    out, new = mapped(params, state, None, lanes)
    whole, _ = tn.transform_with_state(norm).apply(*one, None, lanes.reshape(4, 4))
    assert jnp.allclose(out.reshape(4, 4), whole, atol=1e-5)
    assert (new["batch_norm/~/mean_ema"]["average"][0] == new["batch_norm/~/mean_ema"]["average"][1]).all()


def test_apply_outside_of_the_map_names_the_axis_and_the_module():
    model = tn.transform_with_state(across)
    params, state = model.init(KEY, X)
    with pytest.raises(tn.TenureError, match="the axis 'devices' is not mapped") as error:
        model.apply(params, state, None, X)
    assert "axis_name='devices'" in str(error.value) and "test_explained.py" in str(error.value)


class Nested(tn.Module):
    def __init__(self, depth, name=None):
        super().__init__(name=name)
        self.depth = depth

    def __call__(self, x):
        return Nested(self.depth - 1)(x) if self.depth else nn.Linear(4)(x)


class Built(tn.Module):
    def __init__(self, depth, name=None):
        super().__init__(name=name)
        self.inner = Built(depth - 1) if depth else nn.Linear(4)

    def __call__(self, x):
        return self.inner(x)


@pytest.mark.parametrize("cls", [Nested, Built])
def test_modules_nested_too_deep_for_python_are_named(cls):
    model = tn.transform(lambda x: cls(1000)(x))
    with pytest.raises(tn.TenureError, match="nested") as error:
        model.init(KEY, X)
    assert "sys.setrecursionlimit" in str(error.value) and cls.__name__.lower() in str(error.value)
    assert len(str(error.value)) < 3000


@pytest.mark.parametrize("cls", [Nested, Built])
def test_with_a_higher_limit_a_thousand_levels_work(cls):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(12000)
    try:
        model = tn.transform(lambda x: cls(1000)(x))
        params = model.init(KEY, X)
        assert model.apply(params, None, X).shape == (2, 4)
        ledger = model.plan(X).ledger
        assert ledger.count() == 20
    finally:
        sys.setrecursionlimit(limit)
    assert str(ledger) and ledger.to_html() and ledger.to_mermaid()
    assert tn.Ledger.from_json(ledger.to_json()) == ledger


def test_someone_elses_endless_recursion_stays_what_it_is():
    def endless(x):
        return endless(x)

    with pytest.raises(RecursionError):
        tn.transform(endless).init(KEY, X)
