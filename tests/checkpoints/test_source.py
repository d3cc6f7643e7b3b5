"""Slots of a file that are put together from several owners, or lie in a layer stack."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.core.errors import TieValueError
from tests.checkpoints.models import equal
from tests.checkpoints.two_weights import Weight, X


def test_joined_owners(tmp_path):
    """A slot that is put together from two owners, and that is all that the file has."""

    def function(x):
        return Weight("q")((2, 3)) + Weight("k")((2, 1)) + Weight("qk")((2, 4)) + x

    joined = tn.transform(function, ties={"qk/w": "q/w | concat('k/w', axis=1)"}).plan(X)
    plain = tn.transform(function).plan(X)
    q, k = jnp.arange(6.0).reshape(2, 3), jnp.arange(2.0).reshape(2, 1) + 9
    both = jnp.concatenate([q, k], 1)
    expected = {"q": {"w": q}, "k": {"w": k}}
    everything = expected | {"qk": {"w": both}}
    tn.save(tmp_path / "joined", joined, expected)
    tn.save(tmp_path / "whole", plain, everything, only="qk/w")
    tn.save(tmp_path / "equal", plain, everything)
    tn.save(tmp_path / "different", plain, everything | {"qk": {"w": both + 1}})
    for name in ("joined", "whole", "equal"):
        assert equal(tn.restore(tmp_path / name, joined).params, expected), name
    assert np.array_equal(tn.restore(tmp_path / "joined", plain).params["qk"]["w"], both)
    with pytest.raises(TieValueError):
        tn.restore(tmp_path / "different", joined)


def test_inside_a_layer_stack(tmp_path):
    """Ties within the layers, and to an owner outside of them."""

    def function(x):
        w = tn.get_parameter("w", (3, 3), init=jnp.zeros)
        stack = tn.layer_stack(2, name="stack")
        return stack(lambda x: tn.nn.Linear(3, name="b")(tn.nn.Linear(3, name="a")(x)))(x @ w)

    x = jnp.ones((2, 3))
    plain = tn.transform(function)
    names = [r.path for r in plain.plan(x).ledger.rows]
    a, b = (next(n for n in names if n.endswith(f"/{m}/w")) for m in "ab")
    within = tn.transform(function, ties={b: f"{a} | transpose"})
    outside = tn.transform(function, ties={b: "~/w | transpose"})
    for model in (within, outside):
        plan = model.plan(x)
        params = jax.tree.map(lambda s: jax.random.normal(jax.random.key(s.size), s.shape), plan.params)
        path = tn.save(tmp_path / str(model is within), plan, params)
        untied = tn.restore(path, plain.plan(x))
        assert np.allclose(plain.apply(untied.params, None, x), model.apply(params, None, x))
        back = tn.restore(tn.save(tmp_path / f"{model is within}_untied", plain.plan(x), untied.params), plan)
        assert equal(back.params, params)
        assert list(back.report.of("checked")) == [b]
