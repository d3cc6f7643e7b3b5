"""State of any form, and state inside of Tenure's transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import nn
from tenure.core.errors import NoInverseError

KEY = jax.random.key(0)
X = jax.random.normal(KEY, (2, 4))


def run(f, *args):
    """Params, first state, result and next state; the same with everything jitted."""
    model = tn.transform_with_state(f)
    params, state = model.init(KEY, *args)
    jax.tree.map(lambda a: a.block_until_ready(), (params, state))  # no tracer of a trace that ended
    assert jax.tree.structure(jax.jit(model.init)(KEY, *args)) == jax.tree.structure((params, state))
    out, new = model.apply(params, state, KEY, *args)
    again, _ = jax.jit(model.apply)(params, state, KEY, *args)
    assert jax.tree.all(jax.tree.map(lambda a, b: jnp.allclose(a, b, atol=1e-5), out, again)), (out, again)
    assert jax.tree.structure(new) == jax.tree.structure(state)
    return params, state, out, new


def norm(x):
    return nn.BatchNorm(True, True, 0.9)(x, is_training=True)


STATES = {
    "a tree of unequal arrays": lambda x: {"a": jnp.zeros(3), "b": [jnp.ones((2, 2)), jnp.zeros((), jnp.int32)]},
    "a ragged list": lambda x: [jnp.zeros(3), jnp.ones((2, 2))],
    "traced values": lambda x: {"sum": x.sum(), "all": x},
    "an input as it is": lambda x: x,
    "numbers": lambda x: [1, 2.5],
    "a typed key": lambda x: jax.random.key(1),
    "typed keys": lambda x: jax.random.split(jax.random.key(1), 2),
    "a typed key of another kind": lambda x: jax.random.key(1, impl="rbg"),
    "a tree with a key": lambda x: {"key": jax.random.key(1), "count": jnp.zeros(())},
}


@pytest.mark.parametrize("name", STATES)
def test_a_state_may_be_any_tree(name):
    _, state, out, _ = run(lambda x: tn.get_state("s", (), init=lambda shape, dtype: STATES[name](x)), X)
    assert jax.tree.map(jnp.shape, out) == jax.tree.map(jnp.shape, STATES[name](X))
    assert jax.tree.map(jnp.shape, state["~"]["s"]) == jax.tree.map(jnp.shape, STATES[name](X))


def test_a_key_as_state_moves_on():
    def f():
        key = tn.get_state("key", (), init=lambda shape, dtype: jax.random.key(1))
        following, now = jax.random.split(key)
        tn.set_state("key", following)
        return jax.random.normal(now)

    model = tn.transform_with_state(f)
    params, state = model.init(None)
    one, state = model.apply(params, state, None)
    two, state = model.apply(params, state, None)
    assert one != two and model.plan().ledger["~/key"].dtype.startswith("key")


def test_a_key_may_be_a_parameter():
    model = tn.transform(lambda: tn.get_parameter("k", (), KEY.dtype, init=lambda s, d: tn.next_rng_key()))
    assert model.init(KEY)["~"]["k"].dtype == KEY.dtype


WRAPPERS = {
    "remat": lambda x: tn.remat(norm)(x),
    "jit": lambda x: tn.jit(norm)(x),
    "cond": lambda x: tn.cond(x.sum() > -1e9, norm, lambda x: x, x),
    "switch": lambda x: tn.switch(0, [norm, lambda x: x], x),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_norm_built_inside_is_that_built_outside(name):
    params, state, out, new = run(WRAPPERS[name], X)
    plain = run(norm, X)
    assert jax.tree.all(jax.tree.map(jnp.allclose, (params, state, out, new), plain))


def test_branches_that_own_different_states_each_keep_their_own():
    def f(flag, x):
        return tn.cond(flag, norm, lambda x: nn.LayerNorm(-1, True, True)(x), x)

    model = tn.transform_with_state(f)
    params, state = model.init(KEY, True, X)
    assert set(params) == {"batch_norm", "layer_norm"} and set(state) == {
        "batch_norm/~/mean_ema",
        "batch_norm/~/var_ema",
    }
    for flag, moves in ((True, True), (False, False)):
        _, new = jax.jit(model.apply)(params, state, None, flag, X)
        counter = "batch_norm/~/mean_ema"
        assert (new[counter]["counter"] != state[counter]["counter"]) == moves

    def three(i, x):
        return tn.switch(i, [norm, lambda x: x, lambda x: norm(x) * 2], x)

    model = tn.transform_with_state(three)
    params, state = model.init(KEY, 0, X)
    _, new = model.apply(params, state, None, jnp.int32(2), X)
    moved = [name for name in state if "mean" in name and new[name]["counter"] != state[name]["counter"]]
    assert moved == ["batch_norm_1/~/mean_ema"]


def test_states_set_only_in_one_branch():
    def f(flag, x):
        def one(x):
            tn.set_state("a", x.sum())
            return x

        def two(x):
            tn.set_state("b", x)
            return x * 2

        return tn.cond(flag, one, two, x)

    _, state, _, _ = run(f, True, X)
    assert set(state["~"]) == {"a", "b"} and state["~"]["b"].shape == X.shape


LOOPS = {
    "scan": lambda x: tn.scan(lambda c, _: (norm(c), None), x, None, 3)[0],
    "scan in reverse": lambda x: tn.scan(lambda c, y: (norm(c + y), None), x, jnp.zeros((3, 2, 4)), reverse=True)[0],
    "fori_loop": lambda x: tn.fori_loop(0, 3, lambda i, x: norm(x), x),
    "map": lambda x: tn.map(norm, jnp.stack([x, x, x]))[-1],
    "a stack inside of a scan": lambda x: tn.scan(lambda c, _: (tn.layer_stack(2)(norm)(c), None), x, None, 3)[0],
    "a scan inside of a cond": lambda x: tn.cond(
        True, lambda x: tn.scan(lambda c, _: (norm(c), None), x, None, 3)[0], lambda x: x, x
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_norm_built_in_a_loop_is_one_norm_that_each_step_updates(name):
    params, state, out, new = run(LOOPS[name], X)
    stacked = "layer_stack/" * ("stack" in name)
    assert set(params) == {f"{stacked}batch_norm"}
    mean = f"{stacked}batch_norm/~/mean_ema"
    assert (new[mean]["counter"] == state[mean]["counter"] + 3).all() and out.shape == X.shape


def test_a_loop_gives_what_python_gives():
    def python(x):
        layer = nn.BatchNorm(True, True, 0.9)
        for _ in range(3):
            x = layer(x, is_training=True)
        return x

    _, _, out, new = run(LOOPS["scan"], X)
    _, _, wanted, then = run(python, X)
    assert jnp.allclose(out, wanted, atol=1e-5)
    assert jax.tree.all(jax.tree.map(lambda a, b: jnp.allclose(a, b, atol=1e-5), new, then))


def test_a_while_loop_carries_what_its_body_sets_first():
    def f(x):
        return tn.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, norm(c[1])), (jnp.int32(0), x))[1]

    params, state, out, new = run(f, X)
    assert new["batch_norm/~/mean_ema"]["counter"] == state["batch_norm/~/mean_ema"]["counter"] + 3


def test_lanes_that_leave_different_states_are_named():
    def f(x):
        return tn.vmap(norm)(x)

    model = tn.transform_with_state(f)
    for run in (model.plan, lambda x: model.init(KEY, x), lambda x: jax.jit(model.init)(KEY, x)):
        with pytest.raises(tn.errors.StateError, match="batch_norm/~/mean_ema") as error:
            run(jnp.stack([X, X + 1]))
        assert "test_state.py" in str(error.value) and "cross_replica_axis" in str(error.value)
        assert "tn.vmap" in str(error.value)


def test_lanes_that_agree_are_fine():
    def f(x):
        layer = lambda x: nn.BatchNorm(True, True, 0.9, cross_replica_axis="lanes")(x, is_training=True)  # noqa: E731
        return tn.vmap(layer, axis_name="lanes")(x)

    _, state, out, _ = run(f, jnp.stack([X, X + 1]))
    assert out.shape == (2, 2, 4) and state["batch_norm/~/mean_ema"]["average"].shape == (1, 4)


def test_state_has_owners_and_users_too():
    class Counter(tn.Module):
        def __call__(self):
            n = tn.get_state("n", (2,), jnp.float32, jnp.zeros)
            tn.set_state("n", n + 1)
            return n

    def f():
        first = Counter(name="first")
        second = Counter(name="second", share={"n": first.ref("n") | "scale(2)"})
        first()
        return second()

    model = tn.transform_with_state(f)
    params, state = model.init(None)
    assert params == {} and jax.tree.map(jnp.shape, state) == {"first": {"n": (2,)}}
    out, state = model.apply(params, state, None)
    np.testing.assert_allclose(out, [2.0, 2.0])
    np.testing.assert_allclose(state["first"]["n"], [1.5, 1.5])  # set to 3 through the view: 1.5 at the owner
    ledger = model.plan().ledger
    assert ledger.users_of("first/n") == ("first/n", "second/n") and ledger.count() == 0


def test_a_state_is_borrowed_through_views_too():
    class Mean(tn.Module):
        def __call__(self, size, value=None):
            mean = tn.get_state("mean", (size,), init=jnp.zeros)
            if value is not None:
                tn.set_state("mean", value)
            return mean

    def model(x):
        Mean(name="a")(2, jnp.ones(2))
        Mean(name="b")(2, 2 * jnp.ones(2))
        Mean(name="flipped", share={"mean": "b/mean | einops('(x y) -> (y x)', x=2)"})(2, 3 * jnp.ones(2))
        return Mean(name="both", share={"mean": "a/mean | concat('b/mean | scale(2)')"})(4)

    transformed = tn.transform_with_state(model)
    params, state = transformed.init(None, 0)
    assert set(state) == {"a", "b"}
    out, state = transformed.apply(params, state, None, 0)
    np.testing.assert_array_equal(out, [1, 1, 6, 6])
    np.testing.assert_array_equal(state["b"]["mean"], [3, 3])


def test_a_state_that_is_put_together_of_several_cannot_be_set():
    class Mean(tn.Module):
        def __call__(self, size):
            tn.set_state("mean", 1 + tn.get_state("mean", (size,), init=jnp.zeros))

    def model(x):
        Mean(name="a")(2)
        Mean(name="both", share={"mean": "a/mean | concat('a/mean')"})(4)

    transformed = tn.transform_with_state(model)
    with pytest.raises(NoInverseError, match="concat"):
        transformed.apply(*transformed.init(None, 0), None, 0)


@pytest.mark.parametrize("late", [False, True], ids=["drawn alone", "made by the forward pass"])
def test_a_state_and_a_parameter_of_one_name_start_from_their_own_values(late):
    def f(x):
        start = x[0] if late else 1.0
        w = tn.get_parameter("w", (2,), init=lambda shape, dtype: jnp.full(shape, start, dtype))
        return w.sum() + tn.get_state("w", (3,), init=lambda shape, dtype: jnp.full(shape, -start, dtype)).sum()

    params, state, _, _ = run(f, jnp.ones(4))
    assert jax.tree.map(lambda a: a.tolist(), (params, state)) == ({"~": {"w": [1, 1]}}, {"~": {"w": [-1, -1, -1]}})
