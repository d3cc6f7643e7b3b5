"""Losses and decay of layers inside of other layers: sub-networks, masks, loops."""

import pathlib

import jax
import numpy as np
import pytest

import tenure.network as network
from tests.network.layers.running import BATCH, KEEP, data, run

LINEAR = {"class": "linear", "n_out": 5, "from": "data", "activation": "tanh"}
MASK = {
    "sum": {"class": "reduce", "mode": "sum", "axis": "F", "from": "data"},
    "mask": {"class": "compare", "kind": "greater", "value": 0.0, "from": "sum"},
}


def squares(params, path):
    return sum(float((np.asarray(v) ** 2).sum()) for v in params[path].values())


def objective(net, reuse="owner_final"):
    model = network.Network(net, data(), reuse=reuse)
    params, state = model.init(jax.random.key(0), BATCH)
    result, _ = model.apply(params, state, None, BATCH, layers=("*",), train=True)
    return result, params


@pytest.mark.parametrize(("reuse", "scale"), [("owner_final", 0.2), ("legacy", 0.5)])
def test_decay_of_a_sub_network_is_that_of_its_layers_unless_they_say_another(reuse, scale):
    inside = {"h": {**LINEAR, "L2": 0.2}, "k": {**LINEAR, "from": "h"}, "output": {"class": "copy", "from": "k"}}
    net = {"output": {"class": "subnetwork", "from": "data", "subnetwork": inside, "L2": 0.3}}
    result, params = objective(net, reuse)
    wanted = scale * squares(params, "output/h") + 0.3 * squares(params, "output/k")
    assert np.allclose(result.constraints, wanted, rtol=1e-5)


def test_a_masked_layer_has_a_loss_and_a_decay():
    unit = {**LINEAR, "loss": "as_is", "L2": 0.1}
    net = {**MASK, "output": {"class": "masked_computation", "mask": "mask", "from": "data", "unit": unit}}
    result, params = objective(net)
    whole, _ = run({"output": LINEAR})  # the same parameters, as their names are the same
    y = np.asarray(whole.outputs["output"].batch_first().data)
    keep = KEEP & (np.asarray(BATCH["data"][0]).sum(-1) > 0)
    assert np.allclose(result.losses["output/output"].loss, y[keep].sum(), rtol=1e-4)
    assert np.allclose(result.constraints, 0.1 * squares(params, "output"), rtol=1e-5)


@pytest.mark.parametrize("moved", [True, False])
def test_a_loop_has_the_losses_and_the_decay_of_its_layers(moved):
    unit = {
        "s": {"class": "linear", "n_out": 5, "activation": "tanh", "from": ["data:source", "prev:s"], "L2": 0.1},
        "p": {"class": "softmax", "from": "s", "loss": "ce", "target": "classes", "L2": 0.2},
        "q": {**LINEAR, "from": ["prev:p", "s"], "loss": "as_is", "loss_scale": 0.5},
        "output": {"class": "copy", "from": "q"},
    }
    rec = {"class": "rec", "from": "data", "unit": unit, "optimize_move_layers_out": moved, "L2": 0.3}
    result, params = objective({"rec": rec, "output": {"class": "copy", "from": "rec"}})
    s, p, q = (params[f"rec/rec/{k}"] for k in "spq")
    wanted = (
        0.1 * squares(params, "rec/rec/s") + 0.2 * squares(params, "rec/rec/p") + 0.3 * squares(params, "rec/rec/q")
    )
    assert np.allclose(result.constraints, wanted, rtol=1e-5)
    x, labels = BATCH["data"][0], BATCH["classes"][0]
    state, before, ce, total = np.zeros((3, 5)), np.zeros((3, 4)), 0.0, 0.0
    for t in range(6):
        state = np.tanh(np.concatenate([x[:, t], state], -1) @ s["W"] + s["b"])
        out = np.tanh(np.concatenate([before, state], -1) @ q["W"] + q["b"])
        e = np.exp(state @ p["W"] + p["b"])
        before = e / e.sum(-1, keepdims=True)
        ce -= np.log(before[np.arange(3), labels[:, t]])[KEEP[:, t]].sum()
        total += out[KEEP[:, t]].sum()
    assert np.allclose(result.losses["rec/p"].loss, ce, rtol=1e-4)
    assert np.allclose(result.losses["rec/q"].loss, total, rtol=1e-4, atol=1e-4)


def test_a_sub_network_in_a_loop_has_its_own_data():
    unit = {
        "s": {"class": "linear", "n_out": 5, "activation": "tanh", "from": ["data:source", "prev:s"]},
        "sub": {"class": "subnetwork", "from": "s", "subnetwork": {"output": {**LINEAR, "n_out": 2}}},
        "output": {"class": "combine", "kind": "add", "from": ["sub", "prev:sub"]},
    }
    result, params = objective(
        {"rec": {"class": "rec", "from": "data", "unit": unit}, "output": {"class": "copy", "from": "rec"}}
    )
    s, h = params["rec/rec/s"], params["rec/rec/sub/output"]
    state, before, x = np.zeros((3, 5)), np.zeros((3, 2)), BATCH["data"][0]
    found = np.asarray(result.outputs["output"].batch_first().data)
    for t in range(6):
        state = np.tanh(np.concatenate([x[:, t], state], -1) @ s["W"] + s["b"])
        now = np.tanh(state @ h["W"] + h["b"])
        assert np.allclose(found[:, t][KEEP[:, t]], (now + before)[KEEP[:, t]], atol=1e-5)
        before = now


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


def test_the_outputs_of_all_steps_by_a_layer():
    unit = {
        "s": {**LINEAR, "from": ["data:source", "prev:s"], "is_output_layer": True},
        "output": {"class": "copy", "from": "s"},
    }
    net = {"rec": {"class": "rec", "from": "data", "unit": unit}, "output": {"class": "copy", "from": "rec"}}
    net["all"] = {"class": "get_rec_accumulated", "from": "rec", "sub_layer": "s", "is_output_layer": True}
    result, _ = run(net)
    found, wanted = (np.asarray(result.outputs[k].batch_first().data) for k in ("all", "output"))
    assert np.array_equal(found[KEEP], wanted[KEEP]) and np.any(found)


def test_layers_reach_what_others_gave_in_one_way():
    """`Layer.given`, as it is there that hypotheses, steps and masks hold; drivers of inner graphs read their own passes.

    `attention_steps` asks where hypotheses are before they are followed.
    """
    folder = pathlib.Path(network.__file__).parent / "layers"
    drivers = {"loop.py", "loop_pass.py", "loop_search.py", "loop_steps.py", "loop_parts.py", "cond.py"}
    drivers |= {"first_output.py", "gradients.py", "edit_table.py", "attention_steps.py"}
    found = [p.name for p in folder.glob("*.py") if "run.outputs" in p.read_text() and p.name not in drivers]
    assert not found


def test_base_in_a_masked_sub_network_is_outside_of_the_loop():
    """As in RETURNN, where the layers around a masked computation are its own."""
    inside = {"output": {**LINEAR, "reuse_params": "base:base:outer"}}
    unit = {
        "mask": {"class": "compare", "kind": "greater", "value": 0.0, "from": "sum"},
        "sum": {"class": "reduce", "mode": "sum", "axis": "F", "from": "data:source"},
        "some": {
            "class": "masked_computation",
            "mask": "mask",
            "from": "data:source",
            "unit": {"class": "subnetwork", "subnetwork": inside},
        },
        "output": {"class": "copy", "from": ["some", "prev:some"]},
    }
    net = {"outer": LINEAR, "output": {"class": "rec", "from": "data", "unit": unit}}
    result, params = objective(net)
    assert list(params) == ["outer"]
    outer, some = (np.asarray(result.outputs[key].batch_first().data) for key in ("outer", "output"))
    keep = KEEP & (np.asarray(BATCH["data"][0]).sum(-1) > 0)
    assert keep.any() and np.allclose(some[keep][:, :5], outer[keep], rtol=1e-5)
