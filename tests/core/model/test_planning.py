"""What planning and initialising cost."""

import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
from benchmarks.planning import KEY, LAYERS, X, network
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
    """Next to what is written by hand: abstract init within 1.9, and planning 5,000 layers within 1.6 of tracing them."""
    run = subprocess.run([sys.executable, "-m", "benchmarks.planning", "--times", "9"], capture_output=True, text=True)
    planning, abstract = re.search(r"s, ([\d.]+) of by hand\n.*tenure: ([\d.]+) of", run.stdout).groups()
    assert float(abstract) <= 1.9 and float(planning) <= 1.6, run.stdout
