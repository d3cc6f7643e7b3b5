"""Plan first, then run: how often a function runs, and what makes a new plan."""

import dataclasses
import functools
import logging
import types

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
import tenure.haiku as hk
from tenure import nn
from tenure.core.slots.sources import Sources

KEY = jax.random.PRNGKey(0)
X = jnp.ones((2, 4))


def counted(function):
    """The function, and the list of its runs: True for those that plan or initialise."""
    runs = []

    def run(*args):
        runs.append(tn.running_init())
        return function(*args)

    return run, runs


def tied(x):
    one = nn.Linear(4, name="one")
    return nn.Linear(4, name="two", share={"w": one.ref("w").T})(one(x))


def free(x):
    return nn.Linear(4)(x)


def staged(x):
    return nn.Linear(4, stages={"w": ["noise(0.1)"]})(x)


@pytest.mark.parametrize("function", [tied, staged])
def test_an_apply_that_was_never_planned_plans_first_and_once(function):
    params = tn.transform(function).init(KEY, X)
    run, runs = counted(function)
    model = tn.transform(run)
    for x, expected in ((X, [True, False]), (X, [False]), (X[:1], [True, False]), (X[:1], [False])):
        runs.clear()
        model.apply(params, KEY, x)
        assert runs == expected


def test_a_model_that_shares_nothing_is_not_planned_for_apply():
    run, runs = counted(free)
    model = tn.transform(run)
    params = model.init(KEY, X)
    runs.clear()
    for x in (X, X[:1], jnp.ones((3, 4))):
        jax.jit(model.apply)(params, None, x)
    assert runs == [False] * 3


def test_init_and_apply_of_one_shape_run_the_function_twice():
    run, runs = counted(tied)
    model = tn.transform(run)
    model.apply(model.init(KEY, X), None, X)
    assert runs == [True, False]


def test_evaluation_plans_for_itself():
    run, runs = counted(staged)
    model = tn.transform(run)
    params = model.init(KEY, X)
    runs.clear()
    tn.evaluation(model).apply(params, None, X)
    tn.evaluation(model).apply(params, None, X)
    assert runs.count(False) == 2


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


def test_share_that_a_static_argument_decides():
    def f(x, shared):
        one = nn.Linear(4, name="one")
        return nn.Linear(4, name="two", share={"w": one.ref("w")} if shared else None)(one(x))

    model = tn.transform(f)
    model.apply(model.init(KEY, X, False), None, X, False)
    params = tn.transform(f).init(KEY, X, True)
    assert "w" not in params["two"] and model.apply(params, None, X, True).shape == (2, 4)


@pytest.mark.parametrize("share", [None, {"w": "one/w"}])
@pytest.mark.parametrize("initialise", [False, True])
def test_a_haiku_program_prints_once(capsys, share, initialise):
    def f(x):
        print("running")
        x = hk.Linear(4, name="one")(x)
        return hk.Linear(4, name="two", share=share)(x)

    model = hk.transform(f)
    params = hk.transform(f).init(KEY, X)
    if initialise:
        capsys.readouterr()
        model.init(KEY, X)
        assert capsys.readouterr().out.count("running") == (1 if share is None else 2)
    capsys.readouterr()
    for _ in range(2):
        model.apply(params, None, X)
        assert capsys.readouterr().out == "running\n"


def test_a_haiku_program_that_logs_logs_once(caplog):
    def f(x):
        logging.getLogger("program").warning("running")
        one = hk.Linear(4, name="one")
        return hk.Linear(4, name="two", share={"w": one.ref("w")})(one(x))

    params = hk.transform(f).init(KEY, X)
    caplog.clear()
    hk.transform(f).apply(params, None, X)
    assert [r.message for r in caplog.records] == ["running"]


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


def test_a_planned_run_does_not_read_again_what_modules_share(monkeypatch):
    """What `share=` says is resolved in the plan; only computed values are handed over in each run."""
    read = []
    monkeypatch.setattr(Sources, "add_share", _noting(Sources.add_share, read))

    def tied(x):
        one = nn.Linear(4, name="one")
        norm = nn.BatchNorm(True, True, 0.5, name="norm")
        other = nn.BatchNorm(True, True, 0.5, name="other", share=norm)
        return other(nn.Linear(4, name="two", share={"w": one.ref("w").T})(norm(one(x), True)), True)

    def given(x):
        return nn.Linear(4, name="two", share={"w": x.T @ x})(x)

    x = jnp.arange(8.0).reshape(2, 4)
    model = tn.transform_with_state(tied)
    params, state = model.init(jax.random.key(0), x)
    assert set(read) == {"other", "two"} and not [module for module in state if module.startswith("other")]
    del read[:]
    out, new = model.apply(params, state, None, x)
    assert not read and new["norm/~/mean_ema"]["counter"] == 2
    assert jnp.allclose(jax.jit(model.apply)(params, state, None, x)[0], out, atol=1e-5) and not read
    model = tn.transform(given)
    params = model.init(jax.random.key(0), x)
    del read[:]
    assert jnp.allclose(model.apply(params, None, x), x @ (x.T @ x) + params["two"]["b"])
    assert read == ["two"]


def _noting(function, noted):
    def add_share(self, module, *args):
        noted.append(module)
        return function(self, module, *args)

    return add_share
