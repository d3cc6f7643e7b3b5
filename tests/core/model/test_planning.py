"""What planning and initialising cost."""

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
from benchmarks.planning import KEY, LAYERS, X, by_hand, many, network, seconds
from tenure import nn
from tenure.initializers import TruncatedNormal


def test_each_distribution_and_shape_is_traced_once(monkeypatch):
    """12 layers have four kinds of matrices; each owner of one costs one operation."""
    calls = []
    call = TruncatedNormal.__call__
    monkeypatch.setattr(TruncatedNormal, "__call__", lambda self, *args: calls.append(args) or call(self, *args))
    jax.clear_caches()
    model = tn.transform(network(nn))
    traced = jax.make_jaxpr(lambda key: model.init(key, jnp.ones(X.shape, X.dtype)))(KEY)
    assert len(calls) == 4
    draws = [equation for equation in traced.jaxpr.eqns if str(equation.primitive) == "jit"]
    assert len(draws) <= 4 * LAYERS + 2


@pytest.mark.slow
def test_bars():
    """Abstract init within 1.9 of what is written by hand; 5,000 layers planned within a second."""
    model = lambda: jax.eval_shape(tn.transform(network(nn)).init, KEY, X)  # noqa: E731
    hand, abstract = seconds([lambda: jax.eval_shape(by_hand, KEY), model], 15)
    assert abstract <= 1.9 * hand
    assert seconds([lambda: tn.transform(many).plan(jnp.ones((2, 4)))], 3)[0] <= 1.0
