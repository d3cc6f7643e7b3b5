"""What survives a copy: words, models, plans and networks through pickle, deepcopy and JSON."""

import copy
import functools
import json
import pickle

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
from tenure import haiku as hk
from tenure import nn

KEY = jax.random.key(0)
X = jnp.ones((2, 4))


def copied(value):
    return pickle.loads(pickle.dumps(value))


def same(a, b):
    return jax.tree.structure(a) == jax.tree.structure(b) and all(
        (x == y).all() for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def tied(x):
    embed = nn.Linear(4, name="embed")
    norm = nn.BatchNorm(True, True, 0.9, name="norm")
    return nn.Linear(4, name="head", share={"w": embed.ref("w").T})(norm(embed(x), is_training=True))


def plain(x):
    return nn.Linear(3)(x)


def scaled(factor, x):
    return nn.Linear(3)(x) * factor


@pytest.mark.parametrize("word", ["own", "forbid"])
@pytest.mark.parametrize("through", [copied, copy.deepcopy, copy.copy])
def test_the_words_are_themselves_after_a_copy(word, through):
    assert through(getattr(tn, word)) is getattr(tn, word)


@pytest.mark.parametrize("word", ["own", "forbid"])
def test_the_words_have_words_in_json(word):
    entry = json.loads(json.dumps({"w": getattr(tn, word)}))
    assert entry["w"] == getattr(tn, word) and repr(getattr(tn, word)) == word

    def f(x):
        nn.Linear(3, name="a")(x)
        return nn.Linear(3, name="b", share={**entry, "b": "a/b"})(x)

    if word == "own":
        assert tn.transform(f).plan(X).ledger["b/w"].kind == "owned"
    else:
        with pytest.raises(tn.errors.ForbiddenSlotError):
            tn.transform(f).plan(X)


def test_the_words_mean_the_same_after_a_copy_of_the_rules_around_them():
    ties = copied(copy.deepcopy(json.loads(json.dumps({"head/w": tn.own}))))
    assert tn.transform_with_state(tied, ties=ties).plan(X).ledger["head/w"].kind == "owned"

    def rest(x):
        nn.Linear(3, name="a")(x)
        return nn.Linear(3, name="b", share=json.loads(json.dumps({"w": "a/w", "*": tn.forbid})))(x)

    with pytest.raises(tn.errors.ForbiddenSlotError):
        tn.transform(rest).plan(X)


MODELS = {
    "transform": lambda: tn.transform(plain, stages={"**/w": [tn.stages.Noise(0.1)]}),
    "tied, with state": lambda: tn.transform_with_state(tied, ties={"head/b": "embed/b"}),
    "evaluation": lambda: tn.evaluation(tn.transform_with_state(tied)),
    "a partial function": lambda: tn.transform(functools.partial(scaled, 2.0)),
    "haiku": lambda: hk.transform(plain),
    "haiku, with state and a tie": lambda: hk.transform_with_state(tied, ties={"head/b": "embed/b"}),
    "haiku, without_apply_rng": lambda: hk.without_apply_rng(hk.transform(plain)),
}


WAYS = [pytest.param(name, through) for name in MODELS for through in (copied, copy.deepcopy)]


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


@pytest.mark.parametrize("front", [pytest.param(tn, id="tenure"), pytest.param(hk, id="haiku")])
def test_a_function_that_pickle_cannot_find_is_named(front):
    def local(x):
        return nn.Linear(3)(x)

    for function, named in ((local, "local"), (lambda x: x, "<lambda>")):
        with pytest.raises(tn.TenureError, match="pickle") as error:
            pickle.dumps(front.transform(function))
        assert named in str(error.value) and "test_copies.py" in str(error.value) and "module" in str(error.value)
    assert copy.deepcopy(front.transform(local)).init(jax.random.PRNGKey(0), X)


def test_a_view_that_pickle_cannot_find_is_named():
    model = tn.transform_with_state(tied, ties={"head/b": tn.Ref.parse("embed/b") | (lambda b: b)})
    with pytest.raises(tn.TenureError, match="head/b"):
        pickle.dumps(model)
    with pytest.raises(tn.TenureError, match="head/b"):
        pickle.dumps(model.plan(X))


@pytest.mark.parametrize("stages", [{}, {"embed/w": ["weight_norm", "lora(2)"]}])
def test_a_plan_is_copied(stages):
    model = tn.transform_with_state(tied, stages=stages)
    params, state = model.init(KEY, X)
    plan, other = model.plan(X), copied(model.plan(X))
    assert other.ledger == plan.ledger and str(other.out) == str(plan.out) and other.params == plan.params
    assert other.state == plan.state and other.ties == plan.ties
    assert same(tn.weights(other, params, state), tn.weights(plan, params, state))
    assert same(
        tn.untie(other, params, "head/w", state=state).params, tn.untie(plan, params, "head/w", state=state).params
    )
    assert copy.deepcopy(plan).ledger == plan.ledger


def test_a_network_is_copied():
    net = tn.network(
        {"output": {"class": "softmax", "n_out": 3, "from": "data", "loss": "ce", "target": "classes"}},
        {"data": {"dim": 4}, "classes": {"dim": 3, "sparse": True}},
    )
    _check_network(net)


def test_a_network_with_dims_is_copied():
    feature, out = tn.network.feature_dim(4, "in"), tn.network.feature_dim(3, "out")
    net = tn.network(
        {
            "output": {
                "class": "softmax",
                "out_dim": out,
                "in_dim": feature,
                "from": "data",
                "loss": "ce",
                "target": "classes",
            }
        },
        {
            "data": {"dims": [tn.network.batch_dim(), tn.network.spatial_dim("time"), feature]},
            "classes": {"dim": 3, "sparse": True},
        },
    )
    _check_network(net)


def _check_network(net):
    batch = {"data": jnp.ones((2, 5, 4)), "classes": jnp.zeros((2, 5), int)}
    made = net.init(KEY, batch)
    for other in (copied(net), copy.deepcopy(net)):
        assert same(other.init(KEY, batch), made)
        assert other.plan(batch).ledger == net.plan(batch).ledger


def test_a_layer_with_a_function_of_its_own_is_named():
    net = tn.network(
        {"output": {"class": "eval", "from": "data", "eval": lambda source, self: source(0) + 1}}, {"data": {"dim": 4}}
    )
    with pytest.raises(tn.TenureError, match="layer 'output', 'eval'") as error:
        pickle.dumps(net)
    assert "test_copies.py" in str(error.value)
