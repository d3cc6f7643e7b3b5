"""What a function reads from around itself: a change makes a new plan, and nothing else does."""

import dataclasses
import functools
import types

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
import tenure.haiku as hk
from tenure import nn

KEY = jax.random.PRNGKey(0)
X = jnp.ones((2, 4))
NOTEBOOK = """
import tenure as tn
from tenure import nn
width = 3
sizes = [3]
class Config:
    width = 3
config = Config()
def helper(x):
    return nn.Linear(width)(x)
class Block(tn.Module):
    def __call__(self, x):
        return helper(x)
def by_global(x): return nn.Linear(width)(x)
def by_helper(x): return helper(x)
def by_class(x): return Block()(x)
def by_list(x): return nn.Linear(sizes[0])(x)
def by_attribute(x): return nn.Linear(config.width)(x)
def by_lambda(x): return (lambda y: helper(y))(x)
"""
CHANGES = {
    "by_global": "width = 5",
    "by_helper": "def helper(x): return nn.Linear(5)(x)",
    "by_class": "class Block(tn.Module):\n    def __call__(self, x): return nn.Linear(5)(x)",
    "by_list": "sizes[0] = 5",
    "by_attribute": "config.width = 5",
    "by_lambda": "def helper(x): return nn.Linear(5)(x)",
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_in_a_notebook_makes_a_new_plan(name):
    notebook = types.ModuleType("__main__").__dict__
    exec(NOTEBOOK, notebook)
    model = tn.transform(notebook[name])
    assert model.apply(model.init(KEY, X), None, X).shape == (2, 3)
    exec(CHANGES[name], notebook)
    params = model.init(KEY, X)
    assert model.plan(X).params == jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), params)
    assert model.apply(params, None, X).shape == (2, 5)


def test_a_closure_a_default_and_a_partial_are_watched_too():
    width, options = 3, {"width": 3}

    def closed(x):
        return nn.Linear(width)(x)

    models = [tn.transform(closed), tn.transform(functools.partial(lambda o, x: nn.Linear(o["width"])(x), options))]
    before = [m.plan(X).params["linear"]["w"].shape for m in models]
    width = options["width"] = 5
    assert before == [(4, 3)] * 2 and [m.plan(X).params["linear"]["w"].shape for m in models] == [(4, 5)] * 2


@dataclasses.dataclass(slots=True, eq=False)
class Slotted:
    width: int


@pytest.mark.parametrize("config", [types.SimpleNamespace(width=3), Slotted(3)], ids=["attributes", "slots"])
@pytest.mark.parametrize("transform", [tn.transform, hk.transform])
def test_a_mutated_argument_makes_a_new_plan(transform, config):
    config.width = 3
    model = transform(lambda x, config: nn.Linear(config.width)(x))
    model.init(KEY, X, config)
    config.width = 5
    assert model.plan(X, config).params["linear"]["w"].shape == (4, 5)
    assert model.apply(model.init(KEY, X, config), None, X, config).shape == (2, 5)


def test_equal_arguments_share_a_plan_and_what_a_run_changes_itself_makes_none():
    calls, seen = types.SimpleNamespace(count=0), {}

    def f(x, widths):
        calls.count += 1
        seen[calls.count] = x.shape
        return nn.Linear(widths[0], share={"b": jnp.zeros(3)})(x)

    model = tn.transform(f)
    params = model.init(KEY, X, (3,))
    for _ in range(3):
        model.apply(params, None, X, (3,))
    assert calls.count == 4


def test_other_values_of_an_array_make_no_plan_and_another_shape_does():
    table, runs = jnp.ones((4, 4)), []

    def f(x):
        runs.append(tn.running_init())
        return nn.Linear(3, share={"b": jnp.zeros(3)})(x @ table)

    model = tn.transform(f)
    params = model.init(KEY, X)
    table = 2 * table
    runs.clear()
    model.apply(params, None, X)
    assert runs == [False]
    table = jnp.ones((4, 5))
    assert model.plan(X).params["linear"]["w"].shape == (5, 3)
