"""Plan first, then run: how often a function runs, and what makes a new plan."""

import logging

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
import tenure.haiku as hk
from tenure import nn
from tenure.core.slots.sources import Sources
from tests.core.zoo import Dense

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


GRID = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)


def test_plans_are_remembered_by_shapes_and_static_values():
    runs = []

    def f(x, flag):
        runs.append(1)
        head = Dense(4, share={"w": "embed/w | transpose"}, name="head")
        y = Dense(6, name="embed")(x)
        return head(y) if flag else head(y) * 2

    model = tn.transform(f)
    params = model.init(0, GRID, True)
    step = jax.jit(model.apply, static_argnums=3)
    assert len(runs) == 1
    step(params, None, GRID, True)
    assert len(runs) == 2  # the trace alone
    step(params, None, 2 * GRID, True)
    assert len(runs) == 2
    step(params, None, GRID, False)
    assert len(runs) == 4  # a new plan and a new trace


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
