"""The layer stack's size is a number of layers, and its body gives what it takes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import nn
from tests.core.zoo import ZOO, Dense

X = jnp.ones((2, 4))
KEY = jax.random.key(0)


def stacked(body, size=2, **options):
    return tn.transform(lambda x: tn.layer_stack(size, **options)(body)(x))


@pytest.mark.parametrize("size", [-1, 2.5, "3", None, True, 2.0, jnp.ones(2)])
def test_the_number_of_layers_is_a_whole_number(size):
    with pytest.raises(tn.TenureError, match="tn.layer_stack takes a number of layers") as error:
        stacked(nn.Linear, size).plan(X)
    assert "test_layer_stack.py" in str(error.value)


@pytest.mark.parametrize("size", [0, 1, np.int64(2)])
def test_no_layer_and_sizes_of_numpy_are_fine(size):
    model = stacked(lambda x: nn.Linear(4)(x), size)
    params = model.init(KEY, X)
    assert params["layer_stack/linear"]["w"].shape == (size, 4, 4)
    assert model.apply(params, None, X).shape == X.shape


BODIES = {
    "another size": (lambda x: nn.Linear(5)(x), r"float32\[2,5\]"),
    "another dtype": (lambda x: x.astype(jnp.bfloat16), r"bfloat16\[2,4\]"),
    "two values": (lambda x: (x, x), "tuple"),
    "nothing": (lambda x: None, "None"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_gives_something_else_is_an_error_of_the_plan(name):
    body, gives = BODIES[name]
    model = stacked(body)
    params = {"layer_stack/linear": {"w": jnp.ones((2, 4, 5)), "b": jnp.ones((2, 5))}}
    for run in (model.plan, lambda x: model.init(KEY, x), lambda x: model.apply(params, None, x)):
        with pytest.raises(tn.TenureError, match="the next layer takes what this one gives") as error:
            run(X)
        error.match(gives)
        error.match("test_layer_stack.py")


def test_a_weak_type_is_not_another_dtype():
    model = stacked(lambda x: x * 2.0, 2)
    assert model.apply(model.init(None, 1.0), None, 1.0) == 4.0


def test_a_body_with_inputs_of_its_own_returns_a_pair():
    model = stacked(lambda x: x, with_per_layer_inputs=True)
    with pytest.raises(tn.TenureError, match="returns a pair"):
        model.plan(X)


GRID = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)


def test_r37_a_parameter_from_outside_is_broadcast_into_the_stack_and_never_stacked():
    model = tn.transform(ZOO["in stack"].function)
    params = model.init(0, GRID)
    assert jax.tree.map(jnp.shape, params) == {
        "shared": {"w": (4, 4), "b": (4,)},
        "layer_stack/own": {"w": (3, 4, 4), "b": (3, 4)},
        "second_layer": {"b": (4,)},
    }
    jaxpr = str(jax.make_jaxpr(model.apply)(params, None, GRID))
    assert jaxpr.count("scan[") == 1 and "f32[3,4,4]" in jaxpr

    def by_hand(x):
        x = x @ params["shared"]["w"] + params["shared"]["b"]
        for w, b in zip(params["layer_stack/own"]["w"], params["layer_stack/own"]["b"]):
            x = jnp.tanh(x @ w + b) + x @ params["shared"]["w"] + b
        return x @ params["layer_stack/own"]["w"][1].T + params["second_layer"]["b"]

    np.testing.assert_allclose(model.apply(params, None, GRID), by_hand(GRID), rtol=1e-5)


def test_r37_layers_of_a_stack_start_from_different_values():
    params = tn.transform(lambda x: tn.layer_stack(3)(lambda x: Dense(4, name="own")(x))(x)).init(0, GRID)
    first, second, third = params["layer_stack/own"]["w"]
    assert not np.allclose(first, second) and not np.allclose(second, third)


def test_state_in_a_layer_stack_is_stacked():
    class Counted(tn.Module):
        def __call__(self, x):
            n = tn.get_state("n", (), jnp.int32, jnp.zeros)
            tn.set_state("n", n + 1)
            return x + n

    model = tn.transform_with_state(lambda x: tn.layer_stack(3)(lambda x: Counted()(x))(x))
    params, state = model.init(None, GRID)
    assert state["layer_stack/counted"]["n"].shape == (3,)
    state["layer_stack/counted"]["n"] = jnp.array([0, 10, 100])
    out, new = model.apply(params, state, None, GRID)
    np.testing.assert_allclose(out, GRID + 110)
    np.testing.assert_array_equal(new["layer_stack/counted"]["n"], [1, 11, 101])
