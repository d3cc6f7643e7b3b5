"""Arrays of other sizes: a larger vocabulary, or one in another order."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tenure as tn
from tenure.checkpoints import errors
from tenure.core.errors import RuleError, TieValueError
from tests.checkpoints.models import KEY, TOKENS, of_size


@pytest.mark.parametrize("size", [14, 9])
@pytest.mark.parametrize(
    "optimizer", [optax.adamw(1e-3), optax.adafactor(1e-3, min_dim_size_to_factor=2)], ids=["adamw", "adafactor"]
)
def test_a_vocabulary_resize_of_a_three_way_tied_matrix_with_its_optimizer_state(old, size, optimizer):
    model, plan, params = old
    grads = jax.grad(lambda p: model.apply(p, None, TOKENS).sum() ** 2)(params)
    state = optimizer.update(grads, optimizer.init(params), params)[1]
    new = of_size(size)
    fresh = new.init(jax.random.key(1), TOKENS)
    moved = tn.transfer(
        new.plan(TOKENS),
        params,
        old_plan=plan,
        params=fresh,
        resize=["source/embeddings", "output/b"],
        opt_state=state,
        new_opt_state=optimizer.init(fresh),
    )
    n = min(11, size)
    matrix = moved.params["source"]["embeddings"]
    assert np.array_equal(matrix[:n], params["source"]["embeddings"][:n])
    assert np.array_equal(matrix[n:], fresh["source"]["embeddings"][n:])
    assert "target" not in moved.params and list(moved.params["output"]) == ["b"]
    before, after = jax.tree.leaves(state), jax.tree.leaves(moved.opt_state)
    assert len(before) == len(after)
    for a, b in zip(before, after):
        common = tuple(slice(0, min(x, y)) for x, y in zip(a.shape, b.shape))
        assert np.array_equal(a[common], b[common])
        assert a.shape == b.shape or not np.asarray(b)[n:].any()
    wanted = optimizer.init(moved.params)
    assert jax.tree.all(jax.tree.map(lambda a, b: (type(a), a.shape) == (type(b), b.shape), moved.opt_state, wanted))
    logits = new.apply(moved.params, None, TOKENS)
    assert np.allclose(logits[..., :n], model.apply(params, None, TOKENS)[..., :n], atol=1e-6)
    updates, _ = optimizer.update(jax.tree.map(jnp.ones_like, moved.params), moved.opt_state, moved.params)
    assert all(np.isfinite(u).all() for u in jax.tree.leaves(updates))


def test_a_vocabulary_in_another_order(old):
    """For each new row the old one that it is, or -1."""
    _, plan, params = old
    fresh = of_size(3).init(jax.random.key(1), TOKENS)
    rows = {"source/embeddings": [10, -1, 2], "output/b": [10, -1, 2]}
    moved = tn.transfer(of_size(3).plan(TOKENS), params, old_plan=plan, params=fresh, resize=rows)
    table, old_table = moved.params["source"]["embeddings"], params["source"]["embeddings"]
    assert np.array_equal(table, jnp.stack([old_table[10], fresh["source"]["embeddings"][1], old_table[2]]))
    for wrong in ([99, 0, 0], [-2, 0, 0], [0.0, 1.0, 2.0], ["a", "b", "c"]):
        with pytest.raises(errors.ContentError, match="do not make"):
            tn.transfer(of_size(3).plan(TOKENS), params, params=fresh, resize=dict.fromkeys(rows, wrong))


def test_resizing_does_not_hide_different_values(old):
    """Untied and different before, tied and larger after: still an error."""
    _, plan, params = old
    untied = {**params, "output": {"w": params["source"]["embeddings"].T + 1, "b": params["output"]["b"]}}
    fresh = of_size(14).init(KEY, TOKENS)
    resize = ["source/embeddings", "output/b"]
    with pytest.raises(TieValueError, match="output/w"):
        tn.transfer(of_size(14).plan(TOKENS), untied, params=fresh, resize=resize)
    equal_ones = {**untied, "output": {**untied["output"], "w": params["source"]["embeddings"].T}}
    moved = tn.transfer(of_size(14).plan(TOKENS), equal_ones, params=fresh, resize=resize)
    assert list(moved.report.of("checked")) == ["output/w"]


def test_sizes_change_where_a_parameter_is_owned(old):
    _, plan, params = old
    with pytest.raises(RuleError, match="source/embeddings"):
        tn.transfer(plan, params, resize="output/w")
