"""Global parameters have one owner each."""

import jax
import jax.numpy as jnp
import pytest

import tenure.haiku as hk
from tenure.core.errors import DeclaredTwiceError, UndeclaredError

KEY = jax.random.PRNGKey(0)


class Embed(hk.Module):
    def __call__(self, tokens: jax.Array) -> jax.Array:
        return hk.get_global_parameter("table")[tokens]


class Unembed(hk.Module):
    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ hk.get_global_parameter("table", "transpose")


class Model(hk.Module):
    def __call__(self, tokens: jax.Array) -> jax.Array:
        hk.declare_global_parameter("table", [11, 4], init=hk.initializers.RandomNormal())
        return Unembed()(Embed()(tokens))


TOKENS = jnp.array([[1, 2]])


def test_a_global_parameter_has_one_owner() -> None:
    model = hk.transform(lambda tokens: Model()(tokens))
    params = model.init(KEY, TOKENS)
    assert jax.tree.map(jnp.shape, params) == {"model": {"table": (11, 4)}}
    table = params["model"]["table"]
    assert jnp.allclose(model.apply(params, None, TOKENS), table[TOKENS] @ table.T)
    ledger = model.plan(TOKENS).ledger
    assert ledger.users_of("model/table") == ("model/table", "model/embed/table", "model/unembed/table")
    grads = jax.grad(lambda p: model.apply(p, None, TOKENS).sum())(params)
    assert grads["model"]["table"].shape == (11, 4)


def test_global_parameters_are_known_inside_of_their_module_only() -> None:
    def program(tokens: jax.Array) -> jax.Array:
        Model()(tokens)
        return Embed()(tokens)

    with pytest.raises(UndeclaredError, match="table"):
        hk.transform(program).init(KEY, TOKENS)


def test_two_models_have_their_own() -> None:
    params = hk.transform(lambda tokens: Model()(tokens) + Model()(tokens)).init(KEY, TOKENS)
    assert list(params) == ["model", "model_1"]


def test_a_second_declaration_is_an_error() -> None:
    def program() -> None:
        hk.declare_global_parameter("table", [2], init=jnp.zeros)
        hk.declare_global_parameter("table", [2], init=jnp.zeros)

    with pytest.raises(DeclaredTwiceError):
        hk.transform(program).init(None)
