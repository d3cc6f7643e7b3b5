"""Rules of the ledger: specs that do not fit, and answers of the wrong kind, are errors that name the owner."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

import tenure as tn
from tenure import nn

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
