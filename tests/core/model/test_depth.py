"""Modules nested deeper than Python's stack goes are an error that says how to raise the limit."""

import sys

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
from tenure import nn

KEY = jax.random.key(0)
X = jnp.ones((2, 4))


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
