"""Rules of the ledger: specs that do not fit, and answers of the wrong kind, are errors that name the owner."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

import tenure as tn
from tenure import nn
from tenure.core import errors
from tests.core.zoo import ZOO, normal

LEDGER = tn.transform(lambda x: nn.Linear(3)(x)).plan(jnp.ones((2, 4))).ledger
MESH = jax.sharding.Mesh(np.array(jax.devices()[:1]).reshape(1, 1), ("data", "model"))
WIDE = jax.sharding.AbstractMesh((4, 2), ("data", "model"))


@pytest.mark.parametrize(
    "rules, says",
    [
        ({"**/w": "modl"}, "the mesh has no axis 'modl'"),
        ({"**/w": P("modl")}, "the mesh has no axis 'modl'"),
        ({"**/w": P(("data", "modl"))}, "the mesh has no axis 'modl'"),
        ({"**/b": P(None, "model")}, "2 dims.*1"),
        ({"**/w": P("model", "model")}, "twice"),
        ({"**/b": 3}, "not 3"),
        ({3: P()}, "not 3"),
        (["**/b"], "not a dict|not \\["),
        ({"**/w": P(3)}, "no axis 3"),
    ],
)
def test_a_spec_that_does_not_fit_is_an_error(rules, says):
    with pytest.raises(tn.errors.RuleError, match=says):
        LEDGER.shardings(MESH, rules)


def test_the_error_names_owner_and_nearest_axis():
    with pytest.raises(tn.errors.RuleError) as error:
        LEDGER.shardings(MESH, {"**/w": P("modl")})
    assert "linear/w" in str(error.value) and "nearest names: model" in str(error.value)


def test_an_axis_that_does_not_divide_is_an_error():
    with pytest.raises(tn.errors.RuleError, match=r"3.*does not divide|not divisible") as error:
        LEDGER.shardings(WIDE, {"**/b": P("model")})
    assert "linear/b" in str(error.value)
    assert LEDGER.shardings(WIDE, {"**/w": P("data")})["linear"]["w"].spec == P("data")


def test_one_axis_may_be_a_string():
    assert LEDGER.shardings(MESH, {"**/w": "model"})["linear"]["w"].spec == P("model")


def test_a_mesh_is_a_mesh():
    with pytest.raises(tn.errors.RuleError, match="mesh"):
        LEDGER.shardings(None, {"**/b": P()})


@pytest.mark.parametrize("module", ["nope", 3, "linear/w/x"])
def test_the_count_of_what_is_not_there_is_an_error(module):
    with pytest.raises(tn.errors.UnknownSlotError):
        LEDGER.count(module)


def test_the_count_of_a_module_and_of_one_slot():
    assert LEDGER.count("linear") == 15 and LEDGER.count("linear/w") == 12


@pytest.mark.parametrize("answer", ["x", None, 1, [True]])
def test_a_mask_is_of_true_and_false(answer):
    with pytest.raises(tn.errors.RuleError, match="True or False") as error:
        LEDGER.mask(lambda row: answer)
    assert "linear/w" in str(error.value)


def test_numpys_booleans_are_booleans():
    assert LEDGER.mask(lambda row: np.bool_(row.path == "linear/w")) == {"linear": {"w": True, "b": False}}


X = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)


def test_r26_r27_the_optimizer_sees_each_parameter_once_and_rules_go_by_owner():
    import optax

    entry = ZOO["transitive"]
    model = tn.transform(entry.function)
    ledger, params = model.plan(X).ledger, model.init(0, X)
    mask = ledger.mask(lambda row: len(row.shape) > 1)
    assert mask == {"source_embed": {"w": True, "b": False}, "target_embed": {"b": False}, "output_prob": {"b": False}}
    labels = ledger.labels({"**/b": "bias", "source_embed/*": "slow"}, default="fast")
    assert labels["source_embed"] == {"w": "slow", "b": "bias"}
    optimizer = optax.multi_transform(
        {"bias": optax.sgd(1.0), "slow": optax.set_to_zero(), "fast": optax.adam(1.0)}, labels
    )
    updates, _ = optimizer.update(params, optimizer.init(params), params)
    assert not updates["source_embed"]["w"].any() and updates["source_embed"]["b"].shape == (6,)
    norm = optax.tree.norm(params)
    np.testing.assert_allclose(
        norm, np.sqrt(sum((np.asarray(v) ** 2).sum() for v in jax.tree.leaves(params))), rtol=1e-6
    )
    for rules in ({"output_prob/w": 1}, {"target_embed/w": 1, "**": 2}):
        with pytest.raises(errors.RuleError, match="source_embed/w"):
            ledger.labels(rules)
    with pytest.raises(errors.RuleError, match="selects nothing"):
        ledger.mask("sourc_embed/w")


def test_r40_axes_and_shardings():
    def f(x):
        w = tn.get_parameter("table", (8, 4), init=normal, axes=("vocab", "embed"))

        class Head(tn.Module):
            def __call__(self, x):
                return x @ tn.get_parameter("w", (4, 8), init=normal)

        return Head(share={"w": "table | transpose"}, name="head")(x) @ w

    plan = tn.transform(f).plan(X)
    assert plan.ledger["head/w"].axes == ("embed", "vocab")
    mesh = jax.make_mesh((1, 1), ("data", "model"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    specs = plan.ledger.shardings(mesh, {"vocab": "model", "embed": None})
    assert specs["~"]["table"].spec == jax.sharding.PartitionSpec("model", None)
    assert plan.ledger.shardings(mesh, {"**/table": ("data",)})["~"]["table"].spec == jax.sharding.PartitionSpec("data")
    params = jax.device_put(tn.transform(f).init(0, X), specs)
    assert params["~"]["table"].sharding.spec == jax.sharding.PartitionSpec("model", None)

    def conflict(x):
        w = tn.get_parameter("table", (8, 4), init=normal, axes=("vocab", "embed"))

        class Head(tn.Module):
            def __call__(self, x):
                return x @ tn.get_parameter("w", (4, 8), init=normal, axes=("vocab", "embed"))

        return Head(share={"w": "table | transpose"}, name="head")(x) @ w

    with pytest.raises(errors.AxesError, match="constrain"):
        tn.transform(conflict).plan(X)


def test_r41_placement_lists_the_ties_that_cross_stages():
    ledger = tn.transform(ZOO["transitive"].function).plan(X).ledger
    rows = ledger.placement({"first": ["source_embed/**", "target_embed/**"], "last": "**"})
    assert rows == [
        {"owner": "source_embed/w", "owner_part": "first", "user": "output_prob/w", "user_part": "last", "bytes": 96}
    ]
    with pytest.raises(errors.RuleError, match="output_prob"):
        ledger.placement({"first": ["source_embed/**", "target_embed/**"]})
