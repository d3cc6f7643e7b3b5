"""How each slot's value is made, also for chains of a thousand ties."""

import itertools

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
from tenure import nn

KEY = jax.random.key(0)
X = jnp.ones((2, 4))


def chain(count, ties):
    def f(x):
        return sum(nn.Linear(4, with_bias=False, name=f"layer_of_{i}x")(x) for i in range(count))

    return tn.transform(f, ties={f"layer_of_{i}x/w": f"layer_of_{j}x/w" for i, j in ties})


def test_a_chain_of_a_thousand_ties():
    x = jnp.ones((1, 4))
    model = chain(1000, [(i + 1, i) for i in range(999)])
    params = model.init(KEY, x)
    assert jax.tree.map(jnp.shape, params) == {"layer_of_0x": {"w": (4, 4)}}
    assert jnp.allclose(model.apply(params, None, x), 1000 * x @ params["layer_of_0x"]["w"], rtol=1e-3)
    ledger = model.plan(x).ledger
    assert len(ledger.chain_of("layer_of_999x/w")) == 1000 and ledger.owner_of("layer_of_999x/w") == "layer_of_0x/w"
    assert str(ledger) and ledger.to_html() and ledger.to_mermaid() and ledger.to_dot()
    assert tn.Ledger.from_json(ledger.to_json()) == ledger
    assert tn.weights(model.plan(x), params)


def test_a_chain_of_a_thousand_ties_with_a_view_each():
    x = jnp.ones((1, 4))
    names = [f"layer_of_{i}x" for i in range(1000)]
    ties = {f"{b}/w": f"{a}/w | transpose" for a, b in itertools.pairwise(names)}
    model = tn.transform(lambda x: sum(nn.Linear(4, with_bias=False, name=n)(x) for n in names), ties=ties)
    assert model.plan(x).ledger.owners == ("layer_of_0x/w",)
    few = tn.transform(  # a value is led through all of its views, which are 500,000 for a thousand layers
        lambda x: sum(nn.Linear(4, with_bias=False, name=n)(x) for n in names[:200]),
        ties={user: owner for user, owner in ties.items() if user.removesuffix("/w") in names[:200]},
    )
    params = few.init(KEY, x)
    w = params["layer_of_0x"]["w"]
    assert jnp.allclose(few.apply(params, None, x), 100 * x @ (w + w.T), rtol=1e-3)


def test_a_loop_of_a_thousand_ties():
    with pytest.raises(tn.errors.CycleError, match="in a loop"):
        chain(1000, [(i, (i + 1) % 1000) for i in range(1000)]).plan(X)
