"""Initial values: drawn by the owners alone, and without the forward pass wherever that is not needed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tests.core.zoo import ZOO, Dense

X = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)


def values(model, *args):
    return {f"{m}/{n}": np.asarray(v) for m, e in model.init(jax.random.key(3), *args).items() for n, v in e.items()}


def test_r6_only_the_owner_initialises_and_a_tie_changes_no_other_value():
    plain = values(tn.transform(ZOO["by ties"].function), X)
    tied = values(tn.transform(ZOO["by ties"].function, ties=ZOO["by ties"].ties), X)
    assert tied.keys() == plain.keys() - {"head/w"}
    for path, value in tied.items():
        np.testing.assert_array_equal(value, plain[path])

    def never(shape, dtype):
        raise AssertionError("a borrower's initialiser ran")

    def f(x):
        embed = Dense(6, name="embed")
        return Dense(4, w_init=never, share={"w": embed.ref("w").T}, name="head")(embed(x))

    model = tn.transform(f)
    model.init(0, X)
    ledger = model.plan(X).ledger
    assert "its own initialiser is not used" in ledger["head/w"].notes
    assert "its own initialiser is not used" in str(ledger)


def test_initial_values_that_need_the_forward_pass():
    """An initialiser that reads the inputs, and a state that is set before it is read: also inside loops and stacks."""

    def f(x):
        scale = tn.get_parameter("scale", (), init=lambda s, d: 1 / jnp.abs(x).max())

        def step(carry, _):
            tn.set_state("seen", carry.sum())
            return carry * 2, ()

        def layer(x):
            bias = tn.get_parameter("bias", (4,), init=lambda s, d: x.mean(0))
            return x - bias

        x = tn.scan(step, x * scale, None, length=3)[0]
        return tn.layer_stack(2)(lambda x: tn.to_module(layer)("layer")(x))(x)

    model = tn.transform_with_state(f)
    params, state = model.init(None, X)
    np.testing.assert_allclose(params["~"]["scale"], 1.0)
    np.testing.assert_allclose(params["layer_stack/layer"]["bias"], [8 * X.mean(0), 0 * X.mean(0)], atol=1e-6)
    np.testing.assert_allclose(state["~"]["seen"], X.sum(), atol=1e-6)
    np.testing.assert_allclose(jax.jit(model.apply)(params, state, None, X)[1]["~"]["seen"], 4 * X.sum(), atol=1e-5)
    with pytest.raises(tn.TenureError, match="forward pass"):
        model.init(None, jax.ShapeDtypeStruct(X.shape, X.dtype))


def test_init_does_not_run_the_forward_pass():
    ran = []

    def f(x):
        jax.debug.callback(lambda: ran.append(1))
        return Dense(4)(x)

    tn.transform(f).init(0, jax.ShapeDtypeStruct((2, 4), jnp.float32))
    jax.effects_barrier()
    assert not ran
