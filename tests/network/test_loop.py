"""A loop with a dictionary of layers: what later issues need of dims, builder and layers, proven by two small networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.network.loop import parts
from tests.network.loops import DATA, LENGTHS, MOVED, RNN, objective


def reference(params, x):
    """The recurrent network of `RNN`, written down with `jax.lax.scan`."""
    p = {k.rpartition("/")[2]: v for k, v in params.items()}

    def step(s, frame):
        s = jnp.tanh(frame @ p["x"]["W"] + p["x"]["b"] + s @ p["r"]["W"])
        return s, s

    _, states = jax.lax.scan(step, jnp.zeros((3, 5)), jnp.swapaxes(x, 0, 1))
    hidden = states @ params["rec/rec/output"]["W"] + params["rec/rec/output"]["b"]
    return hidden @ params["output"]["W"] + params["output"]["b"]


def cross_entropy(logits, labels):
    keep = np.arange(6)[:, None] < LENGTHS
    return -jnp.sum(
        jnp.where(keep, jnp.take_along_axis(jax.nn.log_softmax(logits), labels.T[..., None], -1)[..., 0], 0)
    )


def test_what_needs_no_step_before_is_moved_out():
    loop = tn.network(RNN, DATA).graph().nodes["rec"].branches["unit"]
    found = parts(loop)
    assert found.before == ["data:source", "rec/x"]
    assert found.inside == ["prev:rec/s", "rec/r", "rec/s"]
    assert found.after == ["rec/output"]


def test_a_loop_has_the_values_and_gradients_of_the_same_scan(batch):
    net = tn.network(RNN, DATA)
    params, state = net.init(jax.random.key(0), batch)
    assert set(params) == {"rec/rec/x", "rec/rec/r", "rec/rec/output", "output"}

    def ours(params):
        return net.apply(params, state, None, batch, train=True)[0].loss

    def theirs(params):
        return cross_entropy(reference(params, batch["data"][0]), batch["classes"][0])

    (a, da), (b, db) = jax.jit(jax.value_and_grad(ours))(params), jax.value_and_grad(theirs)(params)
    np.testing.assert_allclose(a, b, rtol=1e-5)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5), da, db)


def test_nothing_moved_out_changes_no_value(batch):
    slow = {**RNN, "rec": {**RNN["rec"], "optimize_move_layers_out": False}}
    params, state = tn.network(RNN, DATA).init(jax.random.key(0), batch)
    values = [tn.network(n, DATA).apply(params, state, None, batch)[0].loss for n in (RNN, slow)]
    np.testing.assert_allclose(*values, rtol=1e-6)


def test_a_loop_is_trained(batch):
    net = tn.network(RNN, DATA)
    params, state = net.init(jax.random.key(0), batch)
    grad = jax.jit(jax.value_and_grad(lambda p: net.apply(p, state, None, batch, train=True)[0].loss))
    first, _ = grad(params)
    for _ in range(30):
        last, g = grad(params)
        params = jax.tree.map(lambda p, d: p - 0.05 * d, params, g)
    assert last < 0.5 * first


def test_a_whole_decoder_is_moved_out_with_the_same_numbers(batch):
    step_by_step = {**MOVED, "output": {**MOVED["output"], "optimize_move_layers_out": False}}
    graphs = [tn.network(n, DATA).graph().nodes["output"].branches["unit"] for n in (MOVED, step_by_step)]
    assert parts(graphs[0]).inside == [] and parts(graphs[1], False).before == ["data:classes"]
    params, (a, da) = objective(MOVED, batch)
    _, (b, db) = objective(step_by_step, batch, params)
    np.testing.assert_allclose(a, b, rtol=1e-5)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5), da, db)
    assert "W" not in params["output/rec/embed"] and np.abs(da["words"]["W"]).max() > 0


def test_the_target_data_of_a_loop_over_another_input_is_the_input_of_that_name():
    """A language model reads the words so far, and its labels are the words themselves."""
    unit = {"output": {"class": "softmax", "loss": "ce", "target": "data", "from": "data:source"}}
    net = {"output": {"class": "rec", "from": "data:delayed", "target": "data", "unit": unit}}
    words = {"dim": 4, "sparse": True}
    made = tn.network(net, {"data": words, "delayed": words})
    data, delayed, lengths = np.array([[1, 2, 3], [3, 1, 0]]), np.array([[0, 1, 2], [0, 3, 0]]), np.array([3, 2])
    batch = {"data": (data, lengths), "delayed": (delayed, lengths)}
    params, state = made.init(jax.random.key(0), batch)
    params = jax.tree.map(lambda x: jax.random.normal(jax.random.key(x.size), x.shape), params)
    found = made.apply(params, state, None, batch)[0].losses
    w, b = (np.asarray(next(of[n] for of in params.values() if n in of)) for n in ("W", "b"))
    scores = np.asarray(jax.nn.log_softmax(w[delayed] + b))
    expected = -sum(scores[i, t, data[i, t]] for i, n in enumerate(lengths) for t in range(n))
    np.testing.assert_allclose(next(iter(found.values())).loss, expected, rtol=1e-5)


def test_the_input_of_a_network_keeps_its_name_in_a_loop_over_a_layer(batch):
    unit = {
        name: {"class": "copy", "from": f"data{of}"} for name, of in {"a": "", "b": ":data", "c": ":source"}.items()
    }
    unit["output"] = {"class": "copy", "from": ["a", "b", "c"]}
    net = {
        "twice": {"class": "eval", "eval": "2 * source(0)", "from": "data"},
        "output": {"class": "rec", "from": "twice", "unit": unit},
    }
    model = tn.network(net, DATA)
    params, state = model.init(jax.random.key(0), batch)
    found, x = model.apply(params, state, None, batch)[0].outputs["output"].batch_first().data, batch["data"][0]
    within = np.arange(6) < LENGTHS[:, None]
    np.testing.assert_array_equal(found[within], jnp.concatenate([x, x, 2 * x], -1)[within])


@pytest.mark.parametrize("unit", ["nativelstm2", "GRU"])
def test_a_recurrent_layer_over_a_sequence_starts_anew_in_each_step(unit, batch):
    """Moved out or not, what goes over the whole encoder in a step keeps no state for the next step."""
    cell = {"class": "rec", "unit": unit, "n_out": 3, "direction": -1, "initial_state": "ones"}
    body = {
        "r": {"class": "linear", "n_out": 3, "activation": "tanh", "from": ["data:source", "prev:r"]},
        "back": {**cell, "from": "base:enc"},
        "m": {"class": "reduce", "mode": "mean", "axes": "T", "from": "back"},
        "output": {"class": "copy", "from": ["m", "r"]},
    }
    net = {
        "enc": {"class": "linear", "n_out": 4, "from": "data"},
        "emb": {"class": "linear", "n_out": 4, "from": "data:classes"},
        "around": {**cell, "from": "enc", "reuse_params": "output/back"},
        "wanted": {"class": "reduce", "mode": "mean", "axes": "T", "from": "around", "is_output_layer": True},
        "output": {"class": "rec", "from": "emb", "unit": body, "optimize_move_layers_out": False},
    }
    model = tn.network(net, DATA)
    params, state = model.init(jax.random.key(0), batch)
    outputs = model.apply(params, state, None, batch)[0].outputs
    steps = np.asarray(outputs["output"].batch_first().data)[..., :3]
    np.testing.assert_allclose(steps, np.broadcast_to(outputs["wanted"].data[:, None], steps.shape), rtol=1e-5)


def test_what_is_the_same_in_all_steps_has_no_steps(batch):
    """A loop or a recurrent layer inside that goes over the encoder, and needs nothing of the step, leaves the loop."""
    inner = {"output": {"class": "linear", "n_out": 3, "activation": "tanh", "from": ["data:source", "prev:output"]}}
    body = {
        "loop": {"class": "rec", "from": "base:enc", "unit": inner},
        "same": {"class": "reduce", "mode": "sum", "axes": "T", "from": "loop", "is_output_layer": True},
        "cell": {"class": "rec", "unit": "lstm", "n_out": 2, "from": "base:enc"},
        "too": {"class": "reduce", "mode": "sum", "axes": "T", "from": "cell", "is_output_layer": True},
        "r": {"class": "linear", "n_out": 3, "from": ["data:source", "prev:r", "same", "too"]},
        "other": {"class": "rec", "from": "base:enc", "unit": {"output": {**inner["output"], "from": ["data:source", "base:r"]}}},
        "moves": {"class": "reduce", "mode": "sum", "axes": "T", "from": "other", "is_output_layer": True},
        "output": {"class": "copy", "from": ["r", "moves"]},
    }  # fmt: skip
    net = {
        "enc": {"class": "linear", "n_out": 4, "from": "data"},
        "emb": {"class": "linear", "n_out": 4, "from": "data:classes"},
        "output": {"class": "rec", "from": "emb", "unit": body},
        **{k: {"class": "copy", "from": f"output/{k}", "is_output_layer": True} for k in ("same", "too", "moves")},
    }
    model = tn.network(net, DATA)
    params, state = model.init(jax.random.key(0), batch)
    outputs = model.apply(params, state, None, batch)[0].outputs
    assert [outputs[k].ndim for k in ("same", "too", "moves")] == [2, 2, 3]


def test_an_output_of_zeros_before_labels_that_are_read_as_a_whole(batch):
    """In training, a choice gives the labels as they are; what it embeds starts with what zeros give."""
    unit = {
        "output": {"class": "choice", "target": "classes", "beam_size": 2, "from": "p", "initial_output": 0},
        "embed": {"class": "linear", "n_out": 3, "from": "output", "initial_output": "apply(0)"},
        "before": {"class": "copy", "from": "prev:embed", "is_output_layer": True},
        "p": {"class": "softmax", "target": "classes", "from": "before"},
    }
    net = {
        "output": {"class": "rec", "from": [], "target": "classes", "unit": unit},
        "before": {"class": "copy", "from": "output/before", "is_output_layer": True},
    }
    model = tn.network(net, DATA)
    params, state = model.init(jax.random.key(0), batch)
    found = model.apply(params, state, None, batch)[0].outputs["before"].batch_first().data
    w, b = params["output/rec/embed"]["W"], params["output/rec/embed"]["b"]
    labels = np.pad(batch["classes"][0][:, :-1], ((0, 0), (1, 0)))
    within = np.arange(6) < LENGTHS[:, None]
    np.testing.assert_allclose(found[within], (w[labels] + b)[within], rtol=1e-6)


@pytest.mark.parametrize(
    "unit", ["lstm", {"output": {"class": "combine", "kind": "add", "from": ["prev:output", "data:source"]}}]
)
def test_a_loop_inside_goes_over_a_time_that_a_layer_chose_wherever_it_runs(unit):
    inner = {"class": "rec", "from": "chosen", "unit": unit, **({"n_out": 2} if unit == "lstm" else {})}
    body = {
        "sum": {"class": "combine", "kind": "add", "from": ["data:source", "prev:sum"]},
        "parts": {"class": "split_dims", "axis": "F", "dims": (3, -1), "from": "sum"},
        "chosen": {"class": "reinterpret_data", "set_axes": {"T": "spatial:-1"}, "from": "parts"},
        "inner": inner,
        "output": {"class": "reduce", "mode": "max", "axes": "T", "from": "inner"},
    }
    x = np.random.RandomState(0).randn(2, 5, 6).astype("float32")
    found = []
    for moved in (True, False):
        loop = {"class": "rec", "from": "data", "unit": body, "optimize_move_layers_out": moved}
        net = tn.network({"output": loop}, {"data": {"dim": 6}}, behavior_version=0)
        params, state = net.init(jax.random.key(0))
        out = net.apply(params, state, None, {"data": (x, np.array([5, 3]))}, losses=False)[0].outputs["output"]
        assert out.time_axis == 0 and out.shape == (5, 2, 2)
        found.append(out.data)
    np.testing.assert_allclose(*found, atol=1e-6)


def test_two_choices_that_read_the_same_labels_need_no_step():
    """All of the loop is moved out then; what the labels of either choice give goes over the steps, not over a time of their own."""
    choice = {"class": "choice", "target": "classes", "beam_size": 2, "initial_output": 0}
    body = {
        "first": {**choice, "from": "p0"},
        "p0": {"class": "linear", "activation": "softmax", "n_out": 7, "from": "s"},
        "of_first": {"class": "linear", "n_out": 2, "from": "first"},
        "output": {**choice, "from": "p"},
        "embed": {"class": "linear", "n_out": 3, "activation": None, "from": "output"},
        "s": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 5, "from": "prev:embed"},
        "p": {"class": "softmax", "target": "classes", "loss": "ce", "from": ["s", "of_first"]},
        "end": {"class": "compare", "value": 0, "from": "output"},
    }
    labels = {"classes": (np.array([[1, 2, 3, 0], [4, 0, 0, 0]]), np.array([4, 2]))}
    found = []
    for moved in (True, False):
        loop = {
            "class": "rec",
            "from": [],
            "target": "classes",
            "unit": body,
            "max_seq_len": 5,
            "optimize_move_layers_out": moved,
        }
        net = tn.network({"output": loop}, {"classes": DATA["classes"]}, behavior_version=0)
        params, state = net.init(jax.random.key(0), labels)
        params = {m: {n: x + 0.3 for n, x in of.items()} for m, of in params.items()}
        found.append(jax.value_and_grad(lambda p, net=net: net.apply(p, state, None, labels)[0].objective)(params))
    (value, gradient), (same, of_same) = found
    np.testing.assert_allclose(value, same, rtol=1e-5)
    np.testing.assert_allclose(gradient["output/rec/p"]["W"], of_same["output/rec/p"]["W"], atol=1e-5)
