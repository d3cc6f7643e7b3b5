"""A model survives pickle and deepcopy where its function does."""

import jax
import pytest

import tenure as tn
from tenure import haiku as hk
from tenure import nn
from tests.core.copied_models import KEY, MODELS, WAYS, X, copied, plain, same


@pytest.mark.parametrize("name, through", WAYS)
def test_a_model_of_a_module_level_function_is_copied(name, through):
    model = MODELS[name]()
    key = jax.random.PRNGKey(0)
    made = model.init(key, X)
    other = through(model)
    assert same(other.init(key, X), made)
    given = made if isinstance(made, tuple) else (made,)
    rng = () if "without" in name else (key,)
    assert same(other.apply(*given, *rng, X), model.apply(*given, *rng, X))
    assert other.init.plan(X).ledger == model.init.plan(X).ledger
    assert jax.jit(other.apply)(*given, *rng, X) is not None


def several():
    first, second = nn.Linear(4, name="first"), nn.Linear(2, name="second")
    return (lambda x: second(first(x))), {"first": first, "second": second}


def test_a_haiku_model_of_several_functions_is_copied():
    model, key = hk.multi_transform(several), jax.random.PRNGKey(0)
    other = copied(model)
    params = model.init(key, X)
    assert same(other.init(key, X), params) and set(other.apply) == {"first", "second"}
    assert same(other.apply["second"](params, None, X), model.apply["second"](params, None, X))


def test_without_apply_rng_is_copied():
    model = copied(tn.without_apply_rng(tn.transform(plain)))
    assert model.apply(model.init(KEY, X), X).shape == (2, 3)
