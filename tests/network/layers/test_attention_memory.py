"""Self-attention that starts from the keys and values of the batch before."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import TenureError

DATA = {"data": {"dim": 5}}
X = np.random.RandomState(0).randn(2, 6, 5).astype("float32")


def network(where="outside", left=True, **more):
    attention = {
        "class": "self_attention",
        "num_heads": 2,
        "total_key_dim": 4,
        "n_out": 4,
        "attention_left_only": left,
        **more,
    }
    if where == "outside":
        return tn.network({"output": {**attention, "from": "data"}}, DATA)
    unit = {"output": {**attention, "from": "data:source"}}
    if where == "step by step":  # what it needs of itself keeps it inside
        unit = {
            "in": {"class": "eval", "eval": "source(0) + 0 * source(1)", "from": ["data:source", "zero"]},
            "zero": {"class": "reduce", "mode": "sum", "axis": "F", "from": "prev:output"},
            "output": {**attention, "from": "in"},
        }
    return tn.network({"output": {"class": "rec", "from": "data", "unit": unit}}, DATA)


def run(model, x, lengths, state=None, params=None):
    given, first = model.init(jax.random.key(0), {"data": (x, np.asarray(lengths))})
    result, state = model.apply(
        given if params is None else params, first if state is None else state, None, {"data": (x, np.asarray(lengths))}
    )
    return np.asarray(result.outputs["output"].batch_first().data), state


@pytest.mark.parametrize("where", ["outside", "moved out", "step by step"])
def test_two_chunks_give_what_the_whole_sequence_gives(where):
    model = network(where, initial_state="keep_over_epoch")
    whole, _ = run(network(where), X, [6, 6])
    first, state = run(model, X[:, :4], [4, 4])
    second, state = run(model, X[:, 4:], [2, 2], state)
    np.testing.assert_allclose(np.concatenate([first, second], 1), whole, rtol=1e-5, atol=1e-6)
    kept = [x.shape for x in jax.tree.leaves(state)]
    assert kept.count((2, 2, 6, 2)) == 2, kept


@pytest.mark.parametrize("where", ["outside", "step by step"])
def test_what_is_beyond_a_sequence_is_not_remembered(where):
    model = network(where, initial_state="keep_over_epoch_no_init")
    _, state = run(model, X[:, :4], [4, 2])
    second, _ = run(model, X[:, 4:], [2, 2], state)
    noisy = X[:, :4].copy()
    noisy[1, 2:] = np.nan
    _, state = run(model, noisy, [4, 2])
    np.testing.assert_allclose(run(model, X[:, 4:], [2, 2], state)[0], second, rtol=1e-5)
    alone = np.concatenate([X[1:, :2], X[1:, 4:]], 1)
    np.testing.assert_allclose(run(network(where), alone, [4])[0][0, 2:], second[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("where", ["outside", "step by step"])
def test_only_the_last_sequence(where):
    model = network(where, initial_state="keep_over_epoch", restrict_state_to_last_seq=True)
    _, state = run(model, X[:, :2], [2, 2])
    _, state = run(model, X[:, 2:4], [2, 2], state)
    third, state = run(model, X[:, 4:], [2, 2], state)
    whole, _ = run(network(where), X[:, 2:], [4, 4])
    np.testing.assert_allclose(third, whole[:, 2:], rtol=1e-5, atol=1e-6)
    assert (2, 2, 2, 2) in [x.shape for x in jax.tree.leaves(state)]


def test_all_keys_of_both_sequences():
    model = network(left=False, initial_state="keep_over_epoch")
    _, state = run(model, X[:, :4], [4, 4])
    second, _ = run(model, X[:, 4:], [2, 2], state)
    np.testing.assert_allclose(second, run(network(left=False), X, [6, 6])[0][:, 4:], rtol=1e-5, atol=1e-6)


def test_a_batch_of_another_size_starts_anew():
    model = network(initial_state="keep_over_epoch")
    _, state = run(model, X, [6, 6])
    one, state = run(model, X[:1], [6], state)
    np.testing.assert_allclose(one, run(network(), X[:1], [6])[0], rtol=1e-6)
    assert (1, 2, 6, 2) in [x.shape for x in jax.tree.leaves(state)]


@pytest.mark.parametrize("start", ["zeros", "ones", 0, 1])
def test_no_keys_are_neither_zeros_nor_ones(start):
    for where in ("outside", "step by step"):
        np.testing.assert_allclose(
            run(network(where, initial_state=start), X, [6, 4])[0], run(network(where), X, [6, 4])[0]
        )


def test_what_it_cannot_start_from():
    with pytest.raises(TenureError, match=r"'initial_state'.*keys|keys.*batch before") as error:
        run(network(initial_state="var"), X, [6, 6])
    assert "keep_over_epoch" in str(error.value)
    with pytest.raises(TenureError, match="restrict_state_to_last_seq"):
        run(network(restrict_state_to_last_seq=True), X, [6, 6])


def test_gradients_stop_at_what_is_remembered():
    model = network(initial_state="keep_over_epoch")
    params, state = model.init(jax.random.key(0), {"data": X})
    _, state = model.apply(params, state, None, {"data": X})

    def loss(p):
        return jnp.sum(jnp.square(model.apply(p, state, None, {"data": X})[0].outputs["output"].data))

    grads = jax.jit(jax.grad(loss))(params)
    assert all(np.isfinite(g).all() and np.abs(g).max() > 0 for g in jax.tree.leaves(grads))
