"""Dtypes of parameters: what the plan says is what there is, at init and at apply. Sizes are not coerced."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import nn

KEY = jax.random.key(0)


def asking(dtype=jnp.float32, init=jnp.zeros):
    return tn.transform(lambda: tn.get_parameter("w", (2,), dtype, init=init))


@pytest.mark.parametrize("made", [jnp.int32, jnp.complex64, jnp.bool_, jnp.bfloat16])
def test_an_initialiser_that_makes_another_dtype_is_an_error(made):
    model = asking(init=lambda shape, dtype: jnp.zeros(shape, made))
    for init in (model.init, jax.jit(model.init)):
        with pytest.raises(tn.errors.ParameterDtypeError, match=f"{jnp.dtype(made)} instead of float32") as error:
            init(KEY)
        assert "~/w" in str(error.value) and "test_parameters.py" in str(error.value)


def test_what_numpy_makes_in_double_precision_is_taken_as_what_the_slot_is():
    made = asking(init=lambda shape, dtype: np.zeros(shape)).init(KEY)
    assert made["~"]["w"].dtype == jnp.float32
    assert asking(init=lambda shape, dtype: [1.0, 2.0]).init(KEY)["~"]["w"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("given", [jnp.int32, jnp.complex64, jnp.bool_, jnp.uint8])
def test_a_leaf_of_another_kind_of_number_is_an_error(given):
    with pytest.raises(tn.errors.ParameterDtypeError, match="needs float32 but the params have") as error:
        asking().apply({"~": {"w": jnp.zeros(2, given)}}, None)
    assert "~/w" in str(error.value) and str(jnp.dtype(given)) in str(error.value)


@pytest.mark.parametrize("given", [jnp.bfloat16, jnp.float16, np.float32])
def test_params_cast_to_another_precision_are_fine(given):
    assert asking().apply({"~": {"w": jnp.ones(2, given)}}, None).dtype == given


def test_integers_for_integers_and_complex_for_complex():
    assert asking(jnp.int32).apply({"~": {"w": jnp.ones(2, jnp.int8)}}, None).dtype == jnp.int8
    with pytest.raises(tn.errors.ParameterDtypeError):
        asking(jnp.int32).apply({"~": {"w": jnp.ones(2)}}, None)
    assert asking(jnp.complex64).apply({"~": {"w": jnp.ones(2, jnp.complex64)}}, None).dtype == jnp.complex64


def test_leaves_behind_a_tie_a_stage_and_a_layer_stack_are_checked_too():
    def f(x):
        embed = nn.Linear(4, with_bias=False, name="a")
        return tn.layer_stack(2)(lambda x: nn.Linear(4, with_bias=False, name="c")(x))(
            nn.Linear(4, with_bias=False, share={"w": "a/w | transpose"}, name="b")(embed(x))
        )

    x = jnp.ones((2, 4))
    for stages in ({}, {"a/w": ["weight_norm"]}):
        model = tn.transform(f, stages=stages)
        params = model.init(KEY, x)
        for module in ("a", "layer_stack/c"):
            wrong = {**params, module: {**params[module], "w": params[module]["w"].astype(jnp.int32)}}
            with pytest.raises(tn.errors.ParameterDtypeError, match=f"{module}/w"):
                model.apply(wrong, None, x)


@pytest.mark.parametrize("shape", ["44", (2.5,), ("3",), (True,), 2.0, (3, None), (-1,), {3}, b"44"])
def test_sizes_are_not_coerced(shape):
    model = tn.transform(lambda: tn.get_parameter("w", shape, init=jnp.zeros))
    with pytest.raises(tn.TenureError, match="the shape of '~/w' is") as error:
        model.plan()
    assert "(3, 4)" in str(error.value)


def test_sizes_may_be_of_numpy():
    assert tn.transform(lambda: tn.get_parameter("w", np.array([2, 3]), init=jnp.zeros)).init(None)["~"]["w"].shape == (
        2,
        3,
    )
    assert tn.transform(lambda: tn.get_parameter("w", np.int64(2), init=jnp.zeros)).init(None)["~"]["w"].shape == (2,)
