"""Parameters brought into another model: renamed, resized, retied, strictly or not (R35, P17)."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tenure as tn
from tenure import nn
from tenure.checkpoints import errors
from tenure.core.errors import RuleError, TieValueError
from tests.checkpoints.models import KEY, TOKENS, equal, translator
from tests.surgery.test_optimizer import in_a_row, shampoo


def of_size(vocabulary, source="source"):
    """The translator with a vocabulary of that size."""

    def function(tokens):
        first = nn.Embed(vocabulary, 4, name=source)
        target = nn.Embed(vocabulary, 4, name="target", share={"embeddings": f"{source}/embeddings"})
        output = nn.Linear(vocabulary, name="output", share={"w": target.ref("embeddings").T})
        return output(nn.Linear(4, name="mix")(first(tokens) + target(tokens)))

    return tn.transform(function)


@pytest.fixture(scope="module")
def old():
    model = of_size(11)
    return model, model.plan(TOKENS), model.init(KEY, TOKENS)


def test_exact_rules_and_those_of_modules(old):
    _, plan, params = old
    new = of_size(11, source="encoder/embed".replace("/", "_"))
    moved = tn.transfer(new.plan(TOKENS), params, old_plan=plan, rename={"source": "encoder_embed"})
    assert equal(moved.params["encoder_embed"], params["source"])
    assert moved.report.of("renamed") == {"encoder_embed/embeddings": "'source/embeddings' before"}
    assert equal(moved.params["mix"], params["mix"])


def test_regular_expressions_for_owners_and_users(tmp_path):
    def deep(names):
        def function(x):
            first = nn.Linear(4, name=names[0])
            return nn.Linear(4, name=names[1], share={"w": first.ref("w").T})(first(x))

        return tn.transform(function)

    old, new = deep(["l0", "l1"]), deep(["layer_0", "layer_1"])
    x = jnp.ones(4)
    params = old.init(KEY, x)
    opt = optax.adam(1e-3)
    state = opt.update(params, opt.init(params), params)[1]
    path = tn.save(tmp_path / "a", old.plan(x), params, opt_state=state)
    rules = {re.compile(r"l(\d)/(\w+)"): r"layer_\1/\2"}
    template = opt.init(new.init(KEY, x))
    found = tn.restore(path, new.plan(x), rename=rules, opt_state=template)
    assert equal(found.params, {"layer_0": params["l0"], "layer_1": params["l1"]})
    assert equal(found.opt_state[0].mu["layer_0"], state[0].mu["l0"])
    assert set(found.report.of("renamed")) == {"layer_0/w", "layer_0/b", "layer_1/w", "layer_1/b"}  # a user among them
    untied = tn.transform(
        lambda x: nn.Linear(4, name="layer_1")(nn.Linear(4, name="layer_0")(x))
    )  # the user's rule is needed here
    filled = tn.restore(path, untied.plan(x), rename=rules)
    assert equal(filled.params["layer_1"]["w"], params["l0"]["w"].T)


@pytest.mark.parametrize(
    "rules",
    [
        {"sorce/embeddings": "x/y"},
        {re.compile("source"): "x"},
        {"source/embeddings": "mix/w"},
        {"source": "a b"},
        {"source": 3},
        {3: "source"},
        {re.compile("source/(.*)"): r"x/\2"},
        ["source", "x"],
        {"mix": "mixed", "mix/w": "a/b"},
        {"source/embeddings": "x/y", "target/embeddings": "x/y"},
    ],
    ids=str,
)
def test_rules_that_match_nothing_or_are_none(old, rules):
    """R35."""
    _, plan, params = old
    with pytest.raises(tn.TenureError) as caught:
        tn.transfer(plan, params, old_plan=plan, rename=rules)
    if rules == {"sorce/embeddings": "x/y"}:
        assert "nearest names: source/embeddings" in str(caught.value)


def test_without_strict_it_says_what_is_missing_unexpected_reshaped_of_another_dtype(old):
    _, plan, params = old
    given = {
        "source": {"embeddings": params["source"]["embeddings"].astype(jnp.bfloat16)},
        "mix": {"w": jnp.ones((5, 4))},
        "output": {"b": params["output"]["b"], "c": jnp.ones(2)},
        "elsewhere": {"w": jnp.ones(3)},
    }
    with pytest.raises(errors.ContentError, match=r"'mix/w' is \(5, 4\) in the file, and \(4, 4\) in the model"):
        tn.transfer(plan, given)
    moved = tn.transfer(plan, given, params=params, strict=False)
    assert {e.kind: list(moved.report.of(e.kind)) for e in moved.report.entries} == {
        "dtype": ["source/embeddings"],
        "reshaped": ["mix/w"],
        "missing": ["mix/b"],
        "unexpected": ["output/c", "elsewhere/w"],
    }
    assert moved.params["source"]["embeddings"].dtype == jnp.float32
    assert equal(moved.params["mix"], params["mix"])
    del given["mix"]
    with pytest.raises(errors.ContentError) as caught:
        tn.transfer(plan, given, params=params)
    for path in ("mix/w", "mix/b", "output/c", "elsewhere/w"):
        assert path in str(caught.value)
    with pytest.raises(errors.ContentError, match="1 of another dtype"):
        tn.transfer(plan, {**params, "source": given["source"]})


@pytest.mark.parametrize("size", [14, 9])
@pytest.mark.parametrize(
    "optimizer", [optax.adamw(1e-3), optax.adafactor(1e-3, min_dim_size_to_factor=2)], ids=["adamw", "adafactor"]
)
def test_a_vocabulary_resize_of_a_three_way_tied_matrix_with_its_optimizer_state(old, size, optimizer):
    model, plan, params = old
    grads = jax.grad(lambda p: model.apply(p, None, TOKENS).sum() ** 2)(params)
    state = optimizer.update(grads, optimizer.init(params), params)[1]
    new = of_size(size)
    fresh = new.init(jax.random.key(1), TOKENS)
    moved = tn.transfer(
        new.plan(TOKENS),
        params,
        old_plan=plan,
        params=fresh,
        resize=["source/embeddings", "output/b"],
        opt_state=state,
        new_opt_state=optimizer.init(fresh),
    )
    n = min(11, size)
    matrix = moved.params["source"]["embeddings"]
    assert np.array_equal(matrix[:n], params["source"]["embeddings"][:n])
    assert np.array_equal(matrix[n:], fresh["source"]["embeddings"][n:])
    assert "target" not in moved.params and list(moved.params["output"]) == ["b"]
    before, after = jax.tree.leaves(state), jax.tree.leaves(moved.opt_state)
    assert len(before) == len(after)
    for a, b in zip(before, after):
        common = tuple(slice(0, min(x, y)) for x, y in zip(a.shape, b.shape))
        assert np.array_equal(a[common], b[common])
        assert a.shape == b.shape or not np.asarray(b)[n:].any()
    wanted = optimizer.init(moved.params)
    assert jax.tree.all(jax.tree.map(lambda a, b: (type(a), a.shape) == (type(b), b.shape), moved.opt_state, wanted))
    logits = new.apply(moved.params, None, TOKENS)
    assert np.allclose(logits[..., :n], model.apply(params, None, TOKENS)[..., :n], atol=1e-6)
    updates, _ = optimizer.update(jax.tree.map(jnp.ones_like, moved.params), moved.opt_state, moved.params)
    assert all(np.isfinite(u).all() for u in jax.tree.leaves(updates))


def test_a_vocabulary_in_another_order(old):
    """For each new row the old one that it is, or -1."""
    _, plan, params = old
    fresh = of_size(3).init(jax.random.key(1), TOKENS)
    rows = {"source/embeddings": [10, -1, 2], "output/b": [10, -1, 2]}
    moved = tn.transfer(of_size(3).plan(TOKENS), params, old_plan=plan, params=fresh, resize=rows)
    table, old_table = moved.params["source"]["embeddings"], params["source"]["embeddings"]
    assert np.array_equal(table, jnp.stack([old_table[10], fresh["source"]["embeddings"][1], old_table[2]]))
    for wrong in ([99, 0, 0], [-2, 0, 0], [0.0, 1.0, 2.0], ["a", "b", "c"]):
        with pytest.raises(errors.ContentError, match="do not make"):
            tn.transfer(of_size(3).plan(TOKENS), params, params=fresh, resize=dict.fromkeys(rows, wrong))


def test_resizing_does_not_hide_different_values(old):
    """Untied and different before, tied and larger after: still an error."""
    _, plan, params = old
    untied = {**params, "output": {"w": params["source"]["embeddings"].T + 1, "b": params["output"]["b"]}}
    fresh = of_size(14).init(KEY, TOKENS)
    resize = ["source/embeddings", "output/b"]
    with pytest.raises(TieValueError, match="output/w"):
        tn.transfer(of_size(14).plan(TOKENS), untied, params=fresh, resize=resize)
    equal_ones = {**untied, "output": {**untied["output"], "w": params["source"]["embeddings"].T}}
    moved = tn.transfer(of_size(14).plan(TOKENS), equal_ones, params=fresh, resize=resize)
    assert list(moved.report.of("checked")) == ["output/w"]


def test_sizes_change_where_a_parameter_is_owned(old):
    _, plan, params = old
    with pytest.raises(RuleError, match="source/embeddings"):
        tn.transfer(plan, params, resize="output/w")


def test_base_parameters_into_an_adapted_model_with_the_optimizer_state(old):
    """The leaves of the adapter start as they are; those of the base go on."""
    _, plan, params = old
    adapted = tn.transform(translator, stages={"source/embeddings": ["lora(2, freeze=False)"]})
    fresh = adapted.init(jax.random.key(2), TOKENS)
    optimizer = optax.adam(1e-3)
    state = optimizer.update(params, optimizer.init(params), params)[1]
    new_plan = adapted.plan(TOKENS)
    moved = tn.transfer(
        new_plan, params, old_plan=plan, params=fresh, opt_state=state, new_opt_state=optimizer.init(fresh)
    )
    assert np.allclose(adapted.apply(moved.params, None, TOKENS), of_size(11).apply(params, None, TOKENS), atol=1e-6)
    assert equal(moved.opt_state[0].mu["mix"], state[0].mu["mix"])
    assert equal(moved.opt_state[0].mu["source"]["embeddings"], state[0].mu["source"]["embeddings"])
    assert not np.asarray(moved.opt_state[0].mu["source"]["embeddings.lora.up"]).any()
    assert moved.report.of("assigned")


def test_an_optimizer_state_with_other_ties(old):
    """Momenta go through the tie; where no rule is known for a leaf, the error names it and the way."""
    _, plan, params = old
    untied = tn.transform(translator, ties={"output/w": tn.own})
    fresh = untied.init(KEY, TOKENS)

    def moved(optimizer):
        state = optimizer.update(params, optimizer.init(params), params)[1]
        given = dict(opt_state=state, new_opt_state=optimizer.init(fresh))
        return state, tn.transfer(untied.plan(TOKENS), params, old_plan=plan, **given)

    state, found = moved(optax.adam(1e-3))
    assert equal(found.opt_state[0].mu["output"]["w"], state[0].mu["source"]["embeddings"].T)
    assert {"0/mu/output/w", "0/nu/output/w", "output/w"} == set(found.report.of("filled"))
    with pytest.raises(errors.ContentError, match=r"tn\.tie or tn\.untie") as caught:
        moved(optax.adafactor(1e-3, min_dim_size_to_factor=2))
    assert "0/v_row/output/w" in str(caught.value)


JOINT = {  # optimizer, by which leaf it is refused
    "lbfgs": (optax.lbfgs(1e-3, linesearch=None), "0/diff_params_memory/"),
    "flatten": (optax.flatten(optax.adam(1e-3)), "0/mu"),
    "leaves in a row": (in_a_row(), "moments/"),
    "shampoo-like": (shampoo(), "stats/output/b/"),
}


@pytest.mark.parametrize("name", JOINT)
def test_a_vocabulary_in_another_order_and_an_optimizer_that_nothing_tells_the_rows_of(old, name):
    """Of the same size, so that no shape tells; a larger one is refused as well."""
    _, plan, params = old
    optimizer, leaf = JOINT[name]
    order = np.arange(11)[::-1].copy()
    given = dict(opt_state=optimizer.init(params), new_opt_state=optimizer.init(params))
    with pytest.raises(errors.ContentError, match="cannot go into another model") as caught:
        tn.transfer(plan, params, params=params, resize={"source/embeddings": order, "output/b": order}, **given)
    assert f"'{leaf}" in str(caught.value)
    fresh = of_size(14).init(KEY, TOKENS)
    given["new_opt_state"] = optimizer.init(fresh)
    with pytest.raises(errors.ContentError, match=leaf):
        tn.transfer(of_size(14).plan(TOKENS), params, params=fresh, resize=["source/embeddings", "output/b"], **given)


def test_an_optimizer_state_of_other_params_is_refused(old):
    """Also where it would fit the new model, or no size is changed."""
    _, plan, params = old
    fresh = of_size(14).init(KEY, TOKENS)
    optimizer = optax.adam(1e-3)
    given = dict(opt_state=optimizer.init(fresh), new_opt_state=optimizer.init(fresh))
    with pytest.raises(errors.ContentError, match="'0/mu/output/b' is"):
        tn.transfer(of_size(14).plan(TOKENS), params, params=fresh, resize=["source/embeddings", "output/b"], **given)
    with pytest.raises(errors.ContentError, match="'0/mu/output/b' is"):
        tn.transfer(plan, params, **given)


def test_old_params_that_are_not_of_the_old_plan(old):
    _, plan, params = old
    with pytest.raises(errors.ContentError, match="elsewhere/w"):
        tn.transfer(plan, {**params, "elsewhere": {"w": jnp.ones(2)}}, old_plan=plan)


@pytest.mark.parametrize(
    "optimizer",
    [optax.adam(1e-3), optax.adafactor(1e-3, min_dim_size_to_factor=2), optax.sm3(0.1, 0.9)],
    ids=["adam", "adafactor", "sm3"],
)
def test_a_vocabulary_in_another_order_takes_its_optimizer_state_along(old, optimizer):
    """Of the same size, so that no shape tells."""
    model, plan, params = old
    grads = jax.grad(lambda p: (model.apply(p, None, TOKENS) ** 2).sum())(params)
    state = optimizer.update(grads, optimizer.init(params), params)[1]
    order = np.random.RandomState(0).permutation(11)

    def ordered(tree):
        return jax.tree.map(lambda a: a[order] if jnp.shape(a)[:1] == (11,) else a, tree)

    moved = tn.transfer(
        plan,
        params,
        params=params,
        resize={"source/embeddings": order, "output/b": order},
        opt_state=state,
        new_opt_state=optimizer.init(params),
    )
    assert not equal(params, ordered(params)) and equal(moved.params, ordered(params))
    assert not equal(state, ordered(state)) and equal(moved.opt_state, ordered(state))
    logits = model.apply(params, None, TOKENS * 0 + order[3])[..., order]
    assert np.allclose(model.apply(moved.params, None, TOKENS * 0 + 3), logits, atol=1e-6)


def test_another_order_is_never_half_done(old):
    _, plan, params = old
    order = np.arange(11)[::-1]
    with pytest.raises(errors.ContentError, match="nothing says the values of new ones"):
        tn.transfer(plan, params, resize={"source/embeddings": order})
    adapted = tn.transform(translator, stages={"source/embeddings": ["lora(2)"]})
    fresh = adapted.init(KEY, TOKENS)
    with pytest.raises(RuleError, match="does not say what becomes of 'source/embeddings.lora.down'"):
        there = adapted.plan(TOKENS)
        tn.transfer(there, fresh, old_plan=there, params=fresh, resize={"source/embeddings": order})
    with pytest.raises(RuleError, match="other rows and other stages"):
        tn.transfer(adapted.plan(TOKENS), params, params=fresh, resize={"source/embeddings": order})


def test_what_params_gives_for_missing_leaves_has_the_shape_of_the_model(old):
    _, plan, params = old
    for given in ({"mix": params["mix"]}, {**params, "output": {"b": jnp.ones(3)}}):
        wrong = {**params, "output": {"b": jnp.ones(7)}}
        with pytest.raises(errors.ContentError, match=r"params= has \(7,\) for 'output/b', which is \(11,\)"):
            tn.transfer(plan, given, params=wrong, strict=False)
