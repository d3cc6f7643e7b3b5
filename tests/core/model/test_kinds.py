"""One kind of model: what takes a model takes all, in any order and nesting. A model survives pickle where its function does."""

import copy
import itertools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
import tenure.haiku as hk
from tenure import nn
from tests.core.copied_models import MODELS, WAYS, copied, plain, same

KEY = jax.random.PRNGKey(0)
X = jnp.ones((2, 4))
STAGES = {"**/w": [tn.stages.Noise(0.5)], "**/W": [tn.stages.Noise(0.5)]}
WRAPPERS = {"evaluation": tn.evaluation, "without_apply_rng": tn.without_apply_rng}


def linear(x):
    return nn.Linear(3, name="linear")(x)


def network(stages):
    net = {"output": {"class": "linear", "n_out": 3, "from": "data"}}
    return tn.network(net, {"data": {"shape": (4,), "time_dim_axis": None}}, stages=stages)


def with_state(transform, stages, **options):
    return transform(linear, stages=stages, **options)


KINDS = {
    "transform": lambda: tn.transform(linear, stages={"**/w": STAGES["**/w"]}),
    "transform_with_state": lambda: tn.transform_with_state(linear, stages={"**/w": STAGES["**/w"]}),
    "hk.transform": lambda: hk.transform(linear, stages={"**/w": STAGES["**/w"]}),
    "hk.transform_with_state": lambda: hk.transform_with_state(linear, stages={"**/w": STAGES["**/w"]}),
    "hk.without_state": lambda: hk.without_state(hk.transform_with_state(linear, stages={"**/w": STAGES["**/w"]})),
    "hk.with_empty_state": lambda: hk.with_empty_state(hk.transform(linear, stages={"**/w": STAGES["**/w"]})),
    "network": lambda: network({"**/W": STAGES["**/W"]}),
}
NESTINGS = [n for i in range(3) for n in itertools.product(WRAPPERS, repeat=i)]


def stateful(name):
    return "state" in name.removeprefix("hk.without_state") or name == "network"


def run(model, name, params, state, key, has_key):
    x = {"data": X} if name == "network" else X
    args = [params, *([state] if stateful(name) else []), *([key] if has_key else []), x]
    options = {"train": True} if name == "network" else {}
    out = model.apply(*args, **options)
    out = out[0] if stateful(name) else out
    return np.asarray(out.outputs["output"].data if name == "network" else out)


@pytest.mark.parametrize("nesting", NESTINGS, ids=" of ".join)
@pytest.mark.parametrize("name", KINDS)
def test_evaluation_and_without_apply_rng_nest_in_any_order(name, nesting):
    model = KINDS[name]()
    made = model.init(KEY, {"data": X}) if name == "network" else model.init(KEY, X)
    params, state = made if stateful(name) else (made, {})
    wrapped = model
    for wrapper in reversed(nesting):
        wrapped = WRAPPERS[wrapper](wrapped)
    assert type(wrapped) is type(model)
    has_key, evaluated = "without_apply_rng" not in nesting, "evaluation" in nesting
    if not has_key and not evaluated:
        with pytest.raises(tn.errors.MissingRNGError):
            run(wrapped, name, params, state, None, has_key)
        return
    plain = np.asarray(X @ next(v for b in params.values() for k, v in b.items() if k in ("w", "W")))
    assert np.allclose(run(wrapped, name, params, state, KEY, has_key), plain, atol=1e-5) == evaluated
    plan = wrapped.plan({"data": X}) if name == "network" else wrapped.plan(X)
    assert len(plan.ledger.owners) == 2


@pytest.mark.parametrize("name", KINDS)
def test_what_goes_with_plans_takes_those_of_every_kind(name):
    stages = {"**/w": ["lora(2)"], "**/W": ["lora(2)"]}
    build = {
        "network": lambda stages: network(stages),
        "transform": lambda stages: tn.transform(linear, stages=stages),
        "hk.transform": lambda stages: hk.transform(linear, stages=stages),
    }
    if name not in build:
        pytest.skip("a wrapper of the same models")
    weight = {"network": "output/W"}.get(name, "linear/w")
    glob = next(g for g in stages if g.endswith(weight[-1]))
    model = build[name]({glob: stages[glob]})
    x = {"data": X} if name == "network" else X
    params, state = model.init(KEY, x) if stateful(name) else (model.init(KEY, x), {})
    merged = tn.merge(model.plan(x), params, weight)
    assert set(tn.weights(model.plan(x), params)) == set(merged.params)
    assert tn.penalty(model.plan(x), params) == 0
    chosen, rest = tn.partition(params, model.plan(x).ledger.mask("@lora"))
    assert tn.combine(chosen, rest).keys() == params.keys()
    after = build[name](merged.stages)
    before = run(model, name, params, state, KEY, True)
    assert np.allclose(run(after, name, merged.params, state, KEY, True), before, atol=1e-5)


def test_plan_is_an_attribute_and_survives_pickling():
    model = tn.transform(linear)
    assert model.plan(X).ledger.count() == 15 and "plan" in vars(model)
    for other in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(tn.evaluation(model)))):
        assert other.plan(X).ledger == model.plan(X).ledger
    init, apply = model
    assert apply(init(KEY, X), None, X).shape == (2, 3)


def test_a_tree_of_applies_is_evaluated_as_a_whole():
    def both():
        layer = hk.Linear(3, name="linear")
        return layer, {"once": layer, "twice": lambda x: 2 * layer(x)}

    model = hk.multi_transform(both, stages={"**/w": STAGES["**/w"]})
    params = model.init(KEY, X)
    evaluated = tn.without_apply_rng(tn.evaluation(model))
    assert np.allclose(2 * evaluated.apply["once"](params, X), evaluated.apply["twice"](params, X))


def test_what_is_no_model_is_refused():
    for wrapper in WRAPPERS.values():
        with pytest.raises(tn.TenureError, match="takes a model"):
            wrapper(linear)


def test_dropout_and_batch_norm_follow_the_mode_and_an_argument_wins():
    def f(x, is_training=None, rng=None):
        x = nn.BatchNorm(False, False, 0.9)(x, is_training)
        return nn.dropout(rng, 0.5, x) if rng is not None else nn.dropout(0.5, x)

    model = tn.transform_with_state(f)
    x = jnp.arange(8.0).reshape(4, 2)
    params, state = model.init(KEY, x)
    out, after = model.apply(params, state, KEY, x)
    still, same = tn.evaluation(model).apply(params, state, None, x)
    assert (out == 0).any() and not jax.tree.all(jax.tree.map(np.array_equal, after, state))
    assert not (np.asarray(still)[1:] == 0).any() and jax.tree.all(jax.tree.map(np.array_equal, same, state))
    forced, moved = tn.evaluation(model).apply(params, state, None, x, True, KEY)
    assert (forced == 0).any() and not jax.tree.all(jax.tree.map(np.array_equal, moved, state))
    with pytest.raises(tn.errors.MissingRNGError):
        model.apply(params, state, None, x)


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
