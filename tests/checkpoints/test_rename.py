"""Rename rules: exact ones, those of modules, and regular expressions."""

import re

import jax.numpy as jnp
import optax
import pytest

import tenure as tn
from tenure import nn
from tests.checkpoints.models import KEY, TOKENS, equal, of_size


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
