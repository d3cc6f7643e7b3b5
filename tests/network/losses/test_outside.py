"""Losses of a search's hypotheses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tests.network.searches import DATA, LENGTHS, X, decoder, weights


def test_the_risk_of_hypotheses_is_differentiated():
    net = decoder({"beam_size": 3})
    net["extra.search:output"] = dict(net["output"])
    opts = {"loss": {"class": "edit_distance"}, "loss_kind": "error"}
    net["risk"] = {"class": "copy", "from": "extra.search:output", "loss": "expected_loss", "loss_opts": opts, "target": "classes"}  # fmt: skip
    batch = {"data": (X, LENGTHS), "classes": (np.array([[1, 2, 0], [2, 0, 0]]), np.array([3, 2]))}
    model = tn.network(net, DATA)
    params, state = jax.jit(model.init)(jax.random.key(0), batch)

    @jax.jit
    def risk(params):
        return model.apply(params, state, jax.random.key(1), batch, train=True)[0].losses["risk"].loss

    value, grads = jax.value_and_grad(risk)(params)
    assert np.isfinite(value) and all(np.all(np.isfinite(g)) for g in jax.tree.leaves(grads))
    assert float(jnp.abs(grads["output/rec/p"]["W"]).max()) > 0


@pytest.mark.slow
def test_padding_of_nan_changes_no_gradient_of_the_risk_of_hypotheses():
    net = decoder({"beam_size": 3}, rec={"max_seq_len": "max_len_from('base:enc')"})
    net["extra.search:output"] = dict(net["output"])
    opts = {"loss": {"class": "edit_distance"}, "loss_kind": "error"}
    net["risk"] = {"class": "copy", "from": "extra.search:output", "loss": "expected_loss", "loss_opts": opts, "target": "classes"}  # fmt: skip
    model, labels = tn.network(net, DATA), (np.array([[1, 2, 0], [2, 0, 0]]), np.array([3, 2]))
    keep = np.arange(4)[None, :, None] < LENGTHS[:, None, None]
    params, state = model.init(jax.random.key(0), {"data": (X, LENGTHS), "classes": labels})

    @jax.jit
    @jax.value_and_grad
    def risk(params, x):
        batch = {"data": (x, LENGTHS), "classes": labels}
        return model.apply(params, state, jax.random.key(1), batch, train=True)[0].objective

    (a, da), (b, db) = risk(params, X), risk(params, np.where(keep, X, np.nan).astype("float32"))
    np.testing.assert_allclose(a, b, rtol=1e-6)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7), da, db)


LABELS_OF_TWO = np.array([[1, 2], [2, 1]])
PROBABILITY = {"class": "softmax", "from": ["s", "att"], "target": "classes"}


def trained(net, labels, lengths=(2, 2), layers=None):
    """Losses and outputs of a training step whose parameters tell labels well apart."""
    params, state = weights(net)
    batch = {"data": (X, LENGTHS), "classes": (labels, np.array(lengths))}
    return tn.network(net, DATA).apply(params, state, None, batch, train=True, layers=layers)[0]


def test_a_search_in_training_is_as_long_as_the_labels_and_its_losses_count_in_each_step():
    """Each of three hypotheses of each step counts, also those that no final one goes back to."""
    net = decoder({"beam_size": 3}, p={**PROBABILITY, "loss": "ce"})
    net["extra.search:output"] = dict(net["output"], max_seq_len=9)
    net["kept"] = {"class": "copy", "from": "extra.search:output", "loss": "search_score"}
    result = trained(net, LABELS_OF_TWO, layers=["kept"])
    assert result.outputs["kept"].shape == (3, 2, 2)
    plain = decoder({"beam_size": 3}, p={**PROBABILITY, "is_output_layer": True})
    plain["probabilities"] = {"class": "copy", "from": "output/p", "is_output_layer": True}
    wanted = np.zeros(2)
    for first in range(3):  # the labels that a beam of three holds after the first step
        given = np.stack([np.full(2, first), LABELS_OF_TWO[:, 1]], 1)
        found = trained(plain, given, layers=["probabilities"]).outputs["probabilities"].batch_first().feature_last()
        p = np.take_along_axis(np.asarray(found.data), LABELS_OF_TWO[..., None], -1)[..., 0]
        wanted -= np.log(p).sum(0)
    loss = result.losses["extra.search:output/p"]
    np.testing.assert_allclose(loss.loss, wanted.sum(), rtol=1e-4)
    np.testing.assert_allclose([loss.norm_factor, result.losses["kept"].norm_factor], 1 / 12, rtol=1e-6)


def test_what_is_collocated_with_a_choice_counts_its_hypotheses_in_each_step():
    """Three hypotheses of three labels: after the first step there is one of each, whatever the final ones begin with."""
    label = {"class": "eval", "from": "output", "eval": "tf.cast(source(0), 'float32')", "out_type": {"dtype": "float32"}, "loss": "as_is"}  # fmt: skip
    found = []
    for way in ({}, {"collocate_with": "output"}):
        net = decoder({"beam_size": 3}, p=PROBABILITY, label=label | way, end={"class": "compare", "from": "output", "value": 9})  # fmt: skip
        net["extra.search:output"] = dict(net["output"], max_seq_len=9)
        net["kept"] = {"class": "copy", "from": "extra.search:output", "is_output_layer": True}
        result = trained(net, LABELS_OF_TWO, layers=["kept"])
        kept = result.outputs["kept"]
        first, last = np.moveaxis(np.asarray(kept.data), kept.time_axis, 0)
        found.append(float(result.losses["extra.search:output/label"].loss))
    assert found == [first.sum() + last.sum(), 2 * (0 + 1 + 2) + last.sum()] and found[0] != found[1]


def test_a_search_in_training_that_reads_no_labels_goes_on_to_its_end():
    net = decoder({"beam_size": 3})
    net["extra.search:output"] = dict(net["output"], max_seq_len=9)
    net["kept"] = {"class": "copy", "from": "extra.search:output", "is_output_layer": True}
    assert trained(net, LABELS_OF_TWO, layers=["kept"]).outputs["kept"].shape == (3, 9, 2)


def test_the_score_of_the_best_hypothesis_is_a_loss():
    net = decoder({"beam_size": 3})
    net["decision"] |= {"loss": "search_score", "only_on_search": True}
    net["same"] = {"class": "copy", "from": "decision", "loss": "search_score", "only_on_search": True}
    params, state = weights(net)
    batch = {"data": (X, LENGTHS), "classes": (LABELS_OF_TWO, np.array([2, 2]))}
    result = tn.network(net, DATA).apply(params, state, None, batch, search=True, layers=["output"])[0]
    best = -float(np.max(result.scores["output"].data, axis=0).sum())
    assert [float(result.losses[k].loss) for k in ("decision", "same")] == pytest.approx([best, best], rel=1e-5)


def test_a_search_in_training_that_another_choice_follows_with_known_labels():
    """The hypotheses of an inner choice: the labels are the target's, whose scores count, and `decide` tells the best one's score."""
    inner = {"t": {"class": "choice", "from": "p", "target": None, "beam_size": 2, "initial_output": 0}}
    net = decoder({"search": False}, **inner)
    net["output"]["unit"]["s"]["from"] = ["prev:embed_", "prev:att", "prev:t_"]
    net["output"]["unit"]["t_"] = {"class": "linear", "n_out": 2, "activation": None, "from": "t"}
    net["extra.search:output"] = dict(net["output"])
    net["output"] = {"class": "copy", "from": "enc"}
    net["extra.search:best"] = {"class": "decide", "from": "extra.search:output", "loss": "search_score"}
    score = "(source(0), self.sources[0].search_choices.beam_scores)[1]"
    net["score"] = {"class": "eval", "from": "extra.search:best", "eval": score, "out_type": {"shape": (1,), "dtype": "float32"}}  # fmt: skip
    net["labels"] = {"class": "copy", "from": "extra.search:output"}
    net["inner"] = {"class": "decide", "from": "extra.search:output/t"}
    model = tn.network({k: v for k, v in net.items() if k != "decision"}, DATA)
    batch = {"data": (X, LENGTHS), "classes": (LABELS_OF_TWO, np.array([2, 2]))}
    params, state = model.init(jax.random.key(0), batch)
    result = model.apply(params, state, None, batch, train=True, layers=["labels", "score", "inner"])[0]
    found = np.asarray(result.outputs["labels"].data)  # [beam, labels, batch]
    np.testing.assert_array_equal(found, np.broadcast_to(LABELS_OF_TWO.T, found.shape))
    assert found.shape[0] == 2 and result.outputs["inner"].shape == (2, 2)
    np.testing.assert_allclose(result.losses["best"].loss, -result.outputs["score"].data.sum(), rtol=1e-6)


def two_passes(target):
    """A decoder with teacher forcing, which `search_train_network_layers` has search in training as well."""
    label = {"class": "choice", "target": "classes", "beam_size": 3, "from": "p", "initial_output": 0}
    softened = "tf.nn.softmax(-20. * tf.cast(source(0), tf.float32))"
    unit = {
        "output": label,
        "end": {"class": "compare", "from": "output", "value": 0},
        "emb": {"class": "linear", "activation": None, "n_out": 4, "from": "prev:output", "initial_output": 0},
        "att": {"class": "reduce", "mode": "mean", "axis": "T", "from": "base:enc"},
        "s": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 6, "from": ["emb", "att"]},
        "p": {"class": "softmax", "from": ["s", "att"], "target": target, "loss": "ce"},
        "table": {"class": "edit_distance_table", "from": "output", "target": "layer:base:data:classes"},
        "best": {"class": "optimal_completions", "from": "prev:table", "target": "layer:base:data:classes"},
        "soft": {"class": "eval", "eval": softened, "from": "best", "out_type": {"dtype": "float32"}},
    }
    net = {
        "enc": {"class": "linear", "activation": "tanh", "n_out": 5, "from": "data"},
        "output": {"class": "rec", "from": [], "target": "classes", "max_seq_len": "max_len_from('base:enc')", "unit": unit},
        "decision": {"class": "decide", "from": "output", "loss": "edit_distance", "only_on_search": True, "target": "classes"},
    }  # fmt: skip
    data = {"data": {"dim": 3}, "classes": {"dim": 5, "sparse": True}}
    model = tn.network(net, data, behavior_version=0, config={"search_train_network_layers": ["output", "decision"]})
    x = np.sin(np.arange(24.0)).reshape(2, 4, 3).astype("float32")
    batch = {"data": (x, np.array([4, 3])), "classes": (np.array([[1, 2, 3], [4, 1, 0]]), np.array([3, 2]))}
    params, state = model.init(jax.random.key(0), batch)
    draw, new = np.random.RandomState(1), {}
    for module in ("enc", "output/rec/emb", "output/rec/p", "output/rec/s/rec/lstm_cell"):
        new[module] = {
            n: draw.uniform(-1, 1, params[module][n].shape).astype("float32") for n in sorted(params[module])
        }
    assert sorted(new) == sorted(params)  # each layer's parameters are there once
    return model.apply(new, state, None, batch)[0]


def test_layers_that_search_in_training_are_there_twice():
    """With RETURNN's numbers; losses that both passes have are told apart by the prefix."""
    losses = two_passes("classes").losses
    assert sorted(losses) == ["decision", "extra.search:output/p", "output/p"]
    found = [[float(getattr(losses[k], of)) for of in ("loss", "error", "norm_factor")] for k in sorted(losses)[1:]]
    np.testing.assert_allclose(found, [[26.378788, 12, 1 / 15], [8.7259445, 4, 1 / 5]], rtol=1e-5)
    assert float(losses["decision"].error) == 4


@pytest.mark.parametrize("given", [3, [None], {"output": 1}])
def test_layers_that_search_in_training_are_given_by_names(given):
    net = {"output": {"class": "softmax", "loss": "ce", "from": "data"}}
    data = {"data": {"dim": 3}, "classes": {"dim": 5, "sparse": True}}
    with pytest.raises(tn.TenureError, match="the key 'search_train_network_layers' of the config is "):
        tn.network(net, data, config={"search_train_network_layers": given}).plan(train=True)
    for names in ("output, output", ["output"], None):
        assert (
            tn.network(net, data, config={"search_train_network_layers": names}).plan(train=True).ledger.count() == 20
        )


def test_completions_of_the_hypotheses_of_each_step_are_targets_in_training():
    """With RETURNN's numbers: some frames are those of hypotheses that have ended, whose targets are all labels alike."""
    losses = two_passes("layer:soft").losses
    searched = losses["extra.search:output/p"]
    np.testing.assert_allclose(
        [searched.error, 1 / searched.norm_factor, losses["decision"].error], [19, 22, 7], rtol=1e-5
    )
    np.testing.assert_allclose([searched.loss, losses["output/p"].loss], [38.84075, 8.7259445], rtol=1e-5)
