"""A loop with a dictionary of layers: what later issues need of dims, builder and layers, proven by two small networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.network.loop import parts

LENGTHS = np.array([6, 4, 3])
RNN = {
    "rec": {
        "class": "rec",
        "from": "data",
        "unit": {
            "x": {"class": "linear", "n_out": 5, "from": "data:source"},
            "r": {"class": "linear", "n_out": 5, "with_bias": False, "from": "prev:s"},
            "s": {"class": "combine", "kind": "add", "activation": "tanh", "from": ["x", "r"]},
            "output": {"class": "linear", "n_out": 4, "from": "s"},
        },
    },
    "output": {"class": "softmax", "from": "rec", "loss": "ce", "target": "classes"},
}
DATA = {"data": {"dim": 4}, "classes": {"dim": 7, "sparse": True}}
DECODER = {
    "output": {
        "class": "rec",
        "from": [],
        "target": "classes",
        "max_seq_len": 8,
        "unit": {
            "embed": {"class": "linear", "n_out": 6, "activation": None, "from": "prev:output"},
            "s": {"class": "rec", "unit": "lstm", "n_out": 5, "axis": tn.network.single_step_dim, "from": "embed"},
            "p": {"class": "softmax", "from": "s", "loss": "ce", "target": "classes"},
            "output": {"class": "choice", "from": "p", "target": "classes", "beam_size": 1, "initial_output": 0},
            "end": {"class": "compare", "kind": "equal", "value": 0, "from": "output"},
        },
    }
}


@pytest.fixture
def batch():
    rng = np.random.RandomState(0)
    return {
        "data": (rng.randn(3, 6, 4).astype("float32"), LENGTHS),
        "classes": (rng.randint(1, 7, (3, 6)), LENGTHS),
    }


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


def test_a_choice_is_the_target_in_training(batch):
    net = tn.network(DECODER, {"classes": DATA["classes"]})
    given = {"classes": batch["classes"]}
    params, state = net.init(jax.random.key(0), given)
    result, _ = net.apply(params, state, None, given, train=True)
    labels = result.outputs["output"]
    found, (wanted, lengths) = np.asarray(labels.batch_first().data), batch["classes"]
    keep = np.arange(wanted.shape[1]) < np.asarray(lengths)[:, None]
    np.testing.assert_array_equal(found[keep], np.asarray(wanted)[keep])
    assert "output/p" in result.losses


def test_a_choice_is_searched_greedily(batch):
    net = tn.network(DECODER, {"classes": DATA["classes"]})
    given = {"classes": batch["classes"]}
    params, state = net.init(jax.random.key(0), given)
    params["output/rec/p"]["W"] = params["output/rec/p"]["W"] * 20.0
    result, _ = net.apply(params, state, None, given, losses=False, search=True)
    found = result.outputs["output"]
    labels = greedy(params, steps=8)
    ends = [i for i, label in enumerate(labels) if label == 0]
    assert found.beam_dim is not None and found.shape[1:] == (1, 3)
    steps = min(8, found.shape[0])
    np.testing.assert_array_equal(found.data[:steps, 0, 0], labels[:steps])
    (lengths,) = found.lengths.values()
    assert lengths.data.ravel().tolist() == [ends[0] if ends else 8] * 3


def greedy(params, steps):
    """The decoder's labels, one step after the other."""
    embed, p, cell = params["output/rec/embed"], params["output/rec/p"], params["output/rec/s/rec"]
    label, c, h, found = 0, np.zeros(5), np.zeros(5), []
    for _ in range(steps):
        c, h = lstm(cell, embed["W"][label] + embed["b"], c, h)
        label = int(np.argmax(h @ p["W"] + p["b"]))
        found.append(label)
    return found


def lstm(cell, x, c, h):
    """One step of RETURNN's LSTM: cell input, then input, forget and output gate."""
    j, i, f, o = np.split(x @ cell["W"] + h @ cell["W_re"] + cell["b"], 4)

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    c = sigmoid(f) * c + sigmoid(i) * np.tanh(j)
    return c, sigmoid(o) * np.tanh(c)


MOVED = {
    "enc": {"class": "linear", "n_out": 4, "from": "data"},
    "output": {
        "class": "rec",
        "from": [],
        "target": "classes",
        "unit": {
            "output": {"class": "choice", "from": "p", "target": "classes", "beam_size": 2, "initial_output": 0},
            "embed": {"class": "linear", "n_out": 4, "activation": None, "from": "prev:output", "share": {"W": "words/W"}},
            "pos": {"class": "positional_encoding", "add_to_input": True, "from": "embed"},
            "self": {
                "class": "self_attention",
                "num_heads": 2,
                "total_key_dim": 4,
                "n_out": 4,
                "attention_left_only": True,
                "from": "pos",
            },
            "s": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 5, "from": ["self", "first"]},
            "count": {"class": "cast", "dtype": "float32", "from": ":i"},
            "first": {"class": "combine", "kind": "mul", "from": ["embed", "count"]},
            "energy": {"class": "dot", "red1": "F", "red2": "F", "var1": "T", "var2": None, "from": ["base:enc", "self"]},
            "w": {"class": "softmax_over_spatial", "axis": "T", "from": "energy"},
            "att": {"class": "generic_attention", "weights": "w", "base": "base:enc"},
            "p": {"class": "softmax", "from": ["s", "att", "prev:att"], "loss": "ce", "target": "classes"},
        },
    },
    "words": {"class": "linear", "n_out": 4, "activation": None, "from": "data:classes", "is_output_layer": True},
}  # fmt: skip


def objective(net, batch, params=None):
    model = tn.network(net, DATA)
    if params is None:
        params, _ = jax.jit(model.init)(jax.random.key(0), batch)
    run = jax.jit(lambda p: model.apply(p, {}, jax.random.key(1), batch, train=True)[0].objective)
    return params, jax.value_and_grad(run)(params)


def test_a_whole_decoder_is_moved_out_with_the_same_numbers(batch):
    step_by_step = {**MOVED, "output": {**MOVED["output"], "optimize_move_layers_out": False}}
    graphs = [tn.network(n, DATA).graph().nodes["output"].branches["unit"] for n in (MOVED, step_by_step)]
    assert parts(graphs[0]).inside == [] and parts(graphs[1], False).before == ["data:classes"]
    params, (a, da) = objective(MOVED, batch)
    _, (b, db) = objective(step_by_step, batch, params)
    np.testing.assert_allclose(a, b, rtol=1e-5)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5), da, db)
    assert "W" not in params["output/rec/embed"] and np.abs(da["words"]["W"]).max() > 0


@pytest.mark.parametrize("moved", [True, False])
def test_padding_of_nan_changes_neither_loss_nor_gradients(batch, moved):
    net = {**MOVED, "output": {**MOVED["output"], "optimize_move_layers_out": moved}}
    net["output"]["unit"] = {**net["output"]["unit"], "r": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 3, "from": ["prev:r", "att"]}}  # fmt: skip
    net["output"]["unit"]["p"] = {**net["output"]["unit"]["p"], "from": ["s", "r"]}
    keep = (np.arange(6) < LENGTHS[:, None])[..., None]
    poisoned = {**batch, "data": (np.where(keep, batch["data"][0], np.nan), LENGTHS)}
    params, (a, da) = objective(net, batch)
    _, (b, db) = objective(net, poisoned, params)
    np.testing.assert_allclose(a, b, rtol=1e-6)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7), da, db)


@tn.network.layer("counted")
class Counted(tn.network.Layer):
    """Its input; counts how often it is computed."""

    times = 0
    stepwise = True

    def forward(self, source):
        Counted.times += 1
        return source


def nest(depth, level=0):
    """A loop in a loop in a loop, each over the whole input."""
    unit = {"output": {"class": "linear", "n_out": 3, "from": ["x", "prev:output"]}}
    if level == depth - 1:
        unit["x"] = {"class": "counted", "from": "data:source"}
    else:
        unit["inner"] = {**nest(depth, level + 1)["output"], "from": "base:" * (level + 1) + "whole"}
        unit["x"] = {"class": "reduce", "mode": "mean", "axis": "T", "from": "inner"}
    return {"output": {"class": "rec", "from": "data", "unit": unit}, "whole": {"class": "copy", "from": "data"}}


def test_a_body_is_computed_a_few_times_however_deep():
    counts = []
    for depth in (1, 2, 3):
        model = tn.network(nest(depth), {"data": {"dim": 4}}, check=False)
        Counted.times = 0
        model.plan()
        counts.append(Counted.times)
    assert counts[0] <= 2 and counts[2] <= 2 * 3, counts


def test_a_loop_over_no_frames():
    net = tn.network(RNN, DATA)
    given = {"data": (np.zeros((2, 0, 4), "float32"), np.zeros(2, int)), "classes": (np.zeros((2, 0), int), np.zeros(2, int))}  # fmt: skip
    params, state = net.init(jax.random.key(0))
    result, _ = net.apply(params, state, None, given)
    assert result.outputs["output"].shape[result.outputs["output"].time_axis] == 0 and result.loss == 0


def test_a_program_for_any_batch_and_length(batch):
    net = tn.network(RNN, DATA)
    params, state = net.init(jax.random.key(0), batch)
    b, t = jax.export.symbolic_shape("b, t")

    def run(x, lengths):
        return net.apply(params, state, None, {"data": (x, lengths)}, losses=False)[0].outputs["output"].data

    shapes = jax.ShapeDtypeStruct((b, t, 4), jnp.float32), jax.ShapeDtypeStruct((b,), jnp.int32)
    exported = jax.export.export(jax.jit(run))(*shapes)
    x, lengths = batch["data"]
    np.testing.assert_allclose(exported.call(x, lengths.astype("int32")), run(x, lengths), rtol=1e-5)


def test_a_loop_that_goes_backward(batch):
    x, _ = batch["data"]
    flipped = x.copy()
    for b, n in enumerate(LENGTHS):
        flipped[b, :n] = x[b, :n][::-1]
    net, back = RNN, {**RNN, "rec": {**RNN["rec"], "direction": -1}}
    params, state = tn.network(net, DATA).init(jax.random.key(0), batch)
    outs = []
    for of, data in ((net, flipped), (back, x)):
        result, _ = tn.network(of, DATA).apply(params, state, None, {**batch, "data": (data, LENGTHS)}, layers=["rec"])
        outs.append(np.asarray(result.outputs["rec"].batch_first().data))
    for b, n in enumerate(LENGTHS):
        np.testing.assert_allclose(outs[0][b, :n][::-1], outs[1][b, :n], rtol=1e-5)


def test_the_step_at_which_a_sequence_ends_counts_if_that_is_asked_for(batch):
    lengths = []
    for eos in (False, True):
        net = tn.network({"output": {**DECODER["output"], "include_eos": eos}}, {"classes": DATA["classes"]})
        params, state = net.init(jax.random.key(0), {"classes": batch["classes"]})
        params["output/rec/p"]["W"] = params["output/rec/p"]["W"] * 20.0
        result, _ = net.apply(params, state, None, {"classes": batch["classes"]}, losses=False, search=True)
        lengths.append(next(iter(result.outputs["output"].lengths.values())).data.ravel()[0])
    assert lengths[1] == min(lengths[0] + 1, 8)


def shared(owner, moved=True):
    """A layer in a loop and one outside with one matrix, each applied to the same frames; noise on it."""
    outside = {"class": "linear", "n_out": 4, "activation": None, "with_bias": False, "from": "data"}
    inside = {**outside, "from": "data:source"}
    noisy, share = {"param_variational_noise": 0.5}, {"outside": {"W": "outside/W"}, "inside": {"W": "loop/output/W"}}
    if owner == "outside":
        outside, inside = outside | noisy, inside | {"share": share[owner]}
    else:
        inside, outside = inside | noisy, outside | {"reuse_params": {"map": {"W": {"reuse_layer": "loop/output"}}}}
    loop = {"class": "rec", "from": "data", "unit": {"output": inside}, "optimize_move_layers_out": moved}
    return {"outside": outside | {"is_output_layer": True}, "loop": loop, "output": {"class": "copy", "from": "loop"}}


@pytest.mark.parametrize("moved", [True, False])
@pytest.mark.parametrize("owner", ["outside", "inside"])
def test_a_matrix_across_the_loops_border_is_one_array_with_one_sample_of_noise(batch, owner, moved):
    net = tn.network(shared(owner, moved), DATA)
    params, state = net.init(jax.random.key(0), {"data": batch["data"]})
    assert sum(x.size for x in jax.tree.leaves(params)) == 16

    def outputs(params, train):
        result, _ = net.apply(params, state, jax.random.key(1), {"data": batch["data"]}, train=train, losses=False)
        return [result.outputs[k].batch_first().data for k in ("outside", "output")]

    keep = (np.arange(6) < LENGTHS[:, None])[..., None]
    noisy, clean = outputs(params, True), outputs(params, False)
    np.testing.assert_allclose(noisy[0] * keep, noisy[1] * keep, rtol=1e-5)
    assert np.abs((noisy[0] - clean[0]) * keep).max() > 0.1
    grads = [jax.grad(lambda p, w=w: sum(a * jnp.sum(x * keep) for a, x in zip(w, outputs(p, False), strict=True)))(params) for w in ((1, 0), (0, 1), (1, 1))]  # fmt: skip
    one, two, both = (jax.tree.leaves(g)[0] for g in grads)
    np.testing.assert_allclose(one + two, both, rtol=1e-5)
    np.testing.assert_allclose(one, two, rtol=1e-5)
