"""Branches: only the one that is taken has losses and decay."""

import jax
import numpy as np
import pytest

import tenure.network as network
from tests.network.layers.running import BATCH, KEEP, data
from tests.network.objectives import LINEAR, squares

BRANCH = {**LINEAR, "loss": "as_is", "L2": 0.1}
OTHER = {"class": "linear", "n_out": 5, "from": "data", "activation": None, "L2": 0.2}


def branches(condition, compiled, train=True, reuse="owner_final"):
    """The losses, and what decays, of a condition on the input."""
    total = {"class": "reduce", "mode": "sum", "axis": ["B", "T", "F"], "from": "data"}
    yes = {"class": "compare", "kind": "less_equal" if condition else "greater", "value": 1000.0, "from": "total"}
    cond = {"class": "cond", "condition": "yes", "true_layer": BRANCH, "false_layer": {**OTHER, "name_scope": "other"}}
    net = {"total": total, "yes": yes, "output": {**cond, "from": []}}
    model = network.Network(net, data(), reuse=reuse)
    params, state = model.init(jax.random.key(0), BATCH)

    def loss(params):
        result, _ = model.apply(params, state, None, BATCH, train=train)
        return result.objective, (result.losses, result.outputs["output"])

    gradient = jax.value_and_grad(loss, has_aux=True)
    (value, (losses, out)), grads = (jax.jit(gradient) if compiled else gradient)(params)
    return value, losses, np.asarray(out.batch_first().data), params, grads


@pytest.mark.parametrize("compiled", [False, True])
def test_only_the_branch_that_is_taken_has_losses_and_decay(compiled):
    value, losses, out, params, grads = branches(True, compiled)
    assert np.allclose(losses["output/true_layer"].loss, out[KEEP].sum(), rtol=1e-4)
    taken, other = (next(k for k in params if ("other" in k) == no) for no in (False, True))
    assert np.allclose(value, out[KEEP].sum() + 0.1 * squares(params, taken), rtol=1e-4)
    assert not np.any(grads[other]["W"]) and np.any(grads[taken]["W"])
    value, losses, _, params, grads = branches(False, compiled)
    assert all(float(v.loss) == 0 for v in losses.values())
    assert np.allclose(value, 0.2 * squares(params, other), rtol=1e-5)
    assert np.allclose(grads[other]["W"], 0.4 * params[other]["W"], rtol=1e-5) and not np.any(grads[taken]["W"])


def test_in_legacy_branches_have_none_as_in_returnn():
    value, losses, _, _, _ = branches(True, False, reuse="legacy")
    assert not losses and float(value) == 0
