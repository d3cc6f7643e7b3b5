"""Networks in the manner of published configs (`behavior_version` 0): they build, learn, and search."""

import jax
import numpy as np
import pytest

import tenure as tn
from tenure.network.model import Network
from tests.network.published import NETS

SPEECH = {"data": {"dim": 4}, "classes": {"dim": 5, "sparse": True, "available_for_inference": False}}


def test_ctc_over_max_pooled_frames_has_gradients():
    """Windows of padding only are zero, not -inf: softmax and losses over them would make gradients NaN."""
    net = {
        "pool": {"class": "pool", "mode": "max", "padding": "same", "pool_size": (3,), "from": "data"},
        "output": {"class": "softmax", "from": "pool", "loss": "ctc", "target": "classes"},
    }
    rng = np.random.RandomState(0)
    frames, labels = rng.randn(2, 24, 4).astype("float32"), np.array([[1, 2, 3, 4], [1, 2, 0, 0]])
    batch = {"data": (frames, np.array([24, 12])), "classes": (labels, np.array([4, 2]))}
    model = tn.network(net, SPEECH, behavior_version=0)
    params, state = jax.jit(model.init)(jax.random.key(0), batch)

    @jax.jit
    @jax.value_and_grad
    def objective(params, batch):
        return model.apply(params, state, None, batch)[0].objective

    loss, gradients = objective(params, batch)
    alone = [
        {"data": (frames[i : i + 1, :n], np.array([n])), "classes": (labels[i : i + 1, :m], np.array([m]))}
        for i, n, m in ((0, 24, 4), (1, 12, 2))
    ]
    found = [objective(params, one) for one in alone]
    np.testing.assert_allclose(loss, sum(x for x, _ in found), rtol=1e-5)
    jax.tree.map(lambda x, a, b: np.testing.assert_allclose(x, a + b, atol=1e-5), gradients, *(g for _, g in found))


ALIGNED = {"data": {"dim": 4}, "align": {"dim": 6, "sparse": True, "available_for_inference": False}}


def transducer():
    """Labels and blanks (5) over the frames of an encoder; the language model moves on after labels only."""
    unit = {
        "emit": {"class": "compare", "from": "output", "value": 5, "kind": "not_equal", "initial_output": True},
        "label": {"class": "eval", "from": "output", "eval": "tf.minimum(source(0), 4)", "initial_output": 0},
        "embed": {"class": "linear", "from": "output", "activation": None, "n_out": 3, "initial_output": 0},
        "lm": {
            "class": "masked_computation",
            "mask": "prev:emit",
            "from": "prev:label",
            "unit": {
                "class": "subnetwork",
                "from": "data",
                "subnetwork": {
                    "embed": {"class": "linear", "n_out": 3, "activation": None, "from": "data"},
                    "output": {"class": "rec", "unit": "nativelstm2", "n_out": 3, "from": "embed"},
                },
            },
        },
        "lm_frames": {"class": "unmask", "from": "lm", "mask": "prev:emit"},
        "s": {"class": "rec", "unit": "nativelstm2", "n_out": 3, "from": ["data:source", "prev:embed", "lm_frames"]},
        "p": {"class": "softmax", "from": "s", "target": "align", "loss": "ce"},
        "output": {"class": "choice", "from": "p", "target": "align", "beam_size": 4, "initial_output": 0},
    }
    return {
        "encoder": {"class": "linear", "activation": "tanh", "n_out": 3, "from": "data"},
        "output": {"class": "rec", "from": "encoder", "target": "align", "unit": unit},
        "decision": {"class": "decide", "from": "output", "is_output_layer": True},
    }


def test_labels_of_a_choice_are_one_for_each_frame_of_the_encoder():
    """An alignment has a time of its own, is the loop's target, and may be padded to another size."""
    model = tn.network(transducer(), ALIGNED, behavior_version=0)
    rng, lengths = np.random.RandomState(0), np.array([7, 4])
    frames, labels = rng.randn(2, 7, 4).astype("float32"), rng.randint(6, size=(2, 9))
    batch = {"data": (frames, lengths), "align": (labels, lengths)}
    params, state = model.init(jax.random.key(0), batch)
    result, _ = model.apply(params, state, None, batch)
    cut, _ = model.apply(params, state, None, batch | {"align": (labels[:, :7], lengths)})
    np.testing.assert_allclose(result.objective, cut.objective, rtol=1e-6)
    found, _ = model.apply(params, state, None, {"data": (frames, lengths)}, search=True, losses=False)
    assert [list(n.data) for n in found.outputs["decision"].lengths.values()] == [[7, 4]]
    with pytest.raises(tn.TenureError, match=r"'output/output' has \[9, 4\] labels for \[7, 4\] steps"):
        model.apply(params, state, None, batch | {"align": (labels, np.array([9, 4]))})


def test_a_language_model_that_only_the_search_asks_for_gets_parameters():
    """Shallow fusion: `init(search="also")` has what training and search need, and both run with it."""
    net = {
        "output": {"class": "softmax", "from": "data", "loss": "ce", "target": "classes"},
        "lm": {"class": "softmax", "n_out": 5, "from": "data", "only_on_search": True},
        "best": {"class": "combine", "kind": "mul", "from": ["output", "lm"], "is_output_layer": True, "only_on_search": True},
    }  # fmt: skip
    model = tn.network(net, SPEECH, behavior_version=0)
    batch = {"data": (np.ones((2, 3, 4), "float32"), np.array([3, 2])), "classes": (np.ones((2, 3), int), np.array([3, 2]))}  # fmt: skip
    trained, _ = model.init(jax.random.key(0), batch)
    params, state = model.init(jax.random.key(0), batch, search="also")
    assert set(trained) == {"output"} and set(params) == {"output", "lm"}
    np.testing.assert_array_equal(params["output"]["W"], trained["output"]["W"])
    assert "output" in model.apply(params, state, jax.random.key(1), batch, train=True)[0].losses
    assert "best" in model.apply(params, state, None, batch, search=True, losses=False)[0].outputs
    with pytest.raises(tn.TenureError, match="search is 'both'"):
        model.init(jax.random.key(0), batch, search="both")


USES = ({"train": True}, {"train": False}, {"search": True, "losses": False})
SOME = ("att_asr", "trafo", "rnnt_cheat", "hard_monotonic")


def plan(name):
    net, data, config = NETS[name]
    target = next((key for key in data if key != "data"), "classes")
    for use in USES:
        Network(net, data, behavior_version=0, config=config, default_target=target).plan(**use)


@pytest.mark.parametrize("name", SOME)
def test_networks_as_published_build(name):
    plan(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NETS.keys() - set(SOME)))
def test_all_networks_as_published_build(name):
    """For training, for evaluation and for search with their own beams; the networks of a pretraining are among them."""
    plan(name)


def test_a_target_that_a_layer_needs_and_nobody_feeds_is_named():
    sizes = {"class": "reinterpret_data", "from": "data", "size_base": "data:classes"}
    net = {"same": sizes, "output": {"class": "softmax", "from": "same", "n_out": 5, "target": None}}
    model = Network(net, SPEECH, behavior_version=0)
    batch = {"data": (np.ones((2, 3, 4), "float32"), np.array([3, 2]))}
    params, state = model.init(jax.random.key(0))
    with pytest.raises(tn.TenureError, match=r"layer 'same' \(reinterpret_data\) needs 'data:classes'"):
        model.apply(params, state, None, batch, losses=False)
