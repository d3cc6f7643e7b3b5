"""Borrowers are linked to their owners in any order, through chains, and never in a loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.core import errors
from tests.core.zoo import ZOO, Dense, normal

X = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)


def test_r7_under_another_name():
    class Named(tn.Module):
        def __call__(self, x):
            return x @ tn.get_parameter("kernel", (4, 4), init=normal)

    def f(x):
        dense = Dense(4, name="dense")
        return Named(share={"kernel": dense.ref("w")}, name="named")(dense(x))

    model = tn.transform(f)
    params = model.init(0, X)
    assert model.plan(X).ledger.users_of("dense/w") == ("dense/w", "named/kernel")
    w, b = params["dense"]["w"], params["dense"]["b"]
    np.testing.assert_allclose(model.apply(params, None, X), (X @ w + b) @ w, rtol=1e-5)


def test_r13_layers_may_depend_on_each_other_and_parameters_may_not():
    entry = ZOO["loop of layers"]
    params = tn.transform(entry.function).init(0, X)
    assert jax.tree.map(jnp.shape, params) == {"a": {"w": (4, 4)}, "b": {"b": (4,)}}
    with pytest.raises(errors.CycleError, match="a/w → b/w → a/w"):
        tn.transform(entry.function, ties={"a/w": "b/w"}).plan(X)


def test_r12_a_chain_of_forward_references_needs_no_order():
    plan = tn.transform(ZOO["forward chain"].function).plan(X)
    assert plan.ledger.chain_of("a/w") == ("a/w", "b/w", "c/w")
    assert plan.ledger["a/w"].views == ("transpose", "transpose")


def test_r37_a_slice_of_a_stacked_owner_needs_an_explicit_index():
    def f(x):
        y = tn.layer_stack(3)(lambda x: Dense(4, name="own")(x))(x)
        return Dense(4, share={"w": "layer_stack/own/w"}, name="user")(y)

    with pytest.raises(errors.ViewShapeError, match=r"index\(0\)"):
        tn.transform(f).plan(X)
