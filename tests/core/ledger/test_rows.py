"""What the rows of a ledger add up to."""

import jax.numpy as jnp

import tenure as tn
from tests.core.zoo import ZOO

X = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)


def test_r29_counts_by_use():
    ledger = tn.transform(ZOO["transitive"].function).plan(X).ledger
    assert ledger.count() == 24 + 6 + 6 + 4
    assert ledger.count(uses=True) == 3 * 24 + 6 + 6 + 4
    assert ledger.count("output_prob") == 4
    assert ledger.counts()["output_prob"] == (4, 24)
    stacked = tn.transform(ZOO["in stack"].function).plan(X).ledger
    assert stacked.count() == 16 + 4 + 3 * (16 + 4) + 4
    assert (
        stacked.count(uses=True) == stacked.count() + 3 * (16 + 4) + 16
    )  # tied/w and tied/b, in three layers; second_layer/w
