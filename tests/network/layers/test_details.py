"""Details in which dictionaries of published configs depend on RETURNN."""

import jax
import numpy as np
import pytest

import tenure.network as network
from tenure import TenureError
from tenure.network import Dim, batch_dim, feature_dim
from tests.network.layers.running import BATCH, LENGTHS, X, data, output, run


def test_odd_hann_windows_are_symmetric():
    """TensorFlow's periodic window of odd size is the symmetric one: [0, 1, 0] for three samples."""
    signal = {
        "data": {"dims": [batch_dim(), Dim(None, "t"), feature_dim(1)], "time_dim_axis": 1, "feature_dim_axis": 2}
    }
    options = {"class": "multichannel_stft_layer", "frame_shift": 1, "frame_size": 3, "fft_size": 3, "from": "data"}
    batch = {"data": (X[:, :, :1], LENGTHS)}
    result, _ = run({"output": options}, inputs=signal, batch=batch)
    found = np.asarray(result.outputs["output"].data)
    np.testing.assert_allclose(found[0, :, 0], X[0, 1:5, 0], rtol=1e-5)


def test_lengths_are_what_they_are():
    """RETURNN gives the lengths themselves, whatever 'dtype' and 'sparse' say."""
    found, tensor = output({"class": "length", "dtype": "float32", "sparse": True})
    assert found.dtype == "int32" and not tensor.sparse
    np.testing.assert_array_equal(found, LENGTHS)


def test_a_recurrent_layer_without_time_does_one_step():
    mean = {"m": {"class": "reduce", "mode": "mean", "axis": "T", "from": "data"}}
    state = {"h": "m", "c": "m"}
    options = {"class": "rec", "unit": "lstm", "n_out": 5, "from": "m", "state": state}
    result, params = run({**mean, "output": options})
    m = np.asarray(result.outputs["m"].data)
    weights = {k: np.asarray(v) for of in params.values() for k, v in of.items()}
    gates = m @ weights["W"] + m @ weights["W_re"] + weights["b"]
    new, i, f, o = np.split(gates, 4, axis=-1)

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    c = np.tanh(new) * sigmoid(i) + m * sigmoid(f)
    np.testing.assert_allclose(result.outputs["output"].data, np.tanh(c) * sigmoid(o), rtol=1e-5, atol=1e-6)


def test_self_attention_with_features_before_time():
    options = {"class": "self_attention", "num_heads": 2, "total_key_dim": 4, "n_out": 6, "from": "data"}
    plain, _ = output(options)
    turned = {
        "data": {"dims": [batch_dim(), feature_dim(5), Dim(None, "t")], "time_dim_axis": 2, "feature_dim_axis": 1}
    }
    other, tensor = output(options, inputs=turned, batch={"data": (X.transpose(0, 2, 1), LENGTHS)})
    assert tensor.feature_axis == 2
    np.testing.assert_allclose(other[0], plain[0], rtol=1e-5, atol=1e-6)


def test_layers_of_absent_targets_are_left_out():
    """Without losses, RETURNN has no targets: what is computed from them, and its parameters, are not there."""
    declared = data()
    declared["classes"]["available_for_inference"] = False
    net = {
        "h": {"class": "linear", "n_out": 3, "activation": None, "from": "data"},
        "past": {"class": "linear", "n_out": 3, "activation": None, "from": "data:classes"},
        "both": {"class": "linear", "n_out": 2, "activation": None, "from": ["h", "past"], "is_output_layer": True},
        "output": {"class": "softmax", "from": "h", "target": "classes", "loss": "ce"},
    }
    model = network.Network(net, declared)
    with_losses, _ = model.init(jax.random.key(0), BATCH)
    without, state = model.init(jax.random.key(0), BATCH, train=False, losses=False)
    assert set(with_losses) == {"h", "past", "both", "output"}
    assert set(without) == {"h", "output"}
    result, _ = model.apply(without, state, None, BATCH, losses=False, layers=("*",))
    assert "output" in result.outputs and "both" not in result.outputs


def test_a_shape_means_one_for_each_sequence():
    """`'shape': ()` describes what there is for each sequence; the batch comes in addition."""
    options = {
        "class": "eval",
        "from": [],
        "eval": "tf.constant([1, 2, 3])",
        "out_type": {"shape": (), "dtype": "int32"},
    }
    found, tensor = output(options)
    assert tensor.batch_axis == 0
    np.testing.assert_array_equal(found, [1, 2, 3])


def test_seeds_of_dropout_are_read_and_say_nothing():
    unit = {"class": "rec", "unit": "rhn", "n_out": 3, "unit_opts": {"depth": 2, "dropout": 0.5, "dropout_seed": 1}}
    assert output(unit)[0].shape == (3, 6, 3)


def test_repetitions_over_a_dim_of_their_own():
    """RETURNN takes repetitions [B, T'] of any one axis beside the batch for those of the axis."""
    declared = data()
    declared["times"] = {"dims": [batch_dim(), Dim(None, "other")], "dtype": "int32"}
    times = np.array([[1, 2, 0, 1, 1, 1], [2, 2, 1, 1, 0, 0], [3, 0, 0, 0, 0, 0]], "int32")
    net = {"output": {"class": "repeat", "repetitions": "data:times", "axis": "T", "from": "data"}}
    result, _ = run(net, inputs=declared, batch={**BATCH, "times": (times, LENGTHS)})
    found = np.asarray(result.outputs["output"].batch_first().data)
    for b in range(3):
        expected = np.repeat(X[b], times[b], axis=0)
        np.testing.assert_array_equal(found[b, : len(expected)], expected)


def test_where_a_softmax_starts_may_have_a_feature_dim():
    declared = data()
    declared["start"] = {"dims": [batch_dim(), feature_dim(1)], "dtype": "int32"}
    start = np.array([[2], [0], [0]], "int32")
    net = {"output": {"class": "softmax_over_spatial", "start": "data:start", "from": "data"}}
    result, _ = run(net, inputs=declared, batch={**BATCH, "start": start})
    found = np.asarray(result.outputs["output"].batch_first().data)
    assert found.shape == (3, 5, 6)
    expected = np.exp(X[0, 2:]) / np.exp(X[0, 2:]).sum(0)
    np.testing.assert_allclose(found[0], np.pad(expected, [(2, 0), (0, 0)]).T, rtol=1e-5, atol=1e-6)


def test_a_time_axis_of_length_one_is_squeezed():
    """Whether it is that short is known when it runs, not when the network is built."""
    inputs = {"speaker": {"dim": 5, "sparse": True}, **data()}
    net = {
        "one": {"class": "squeeze", "axis": "T", "from": "data:speaker"},
        "output": {"class": "linear", "n_out": 3, "from": "one"},
    }
    batch = {**BATCH, "speaker": np.array([[1], [2], [0]])}
    assert run(net, inputs=inputs, batch=batch)[0].outputs["output"].shape == (3, 3)
    with pytest.raises(TenureError, match="size of .*speaker.* is not 1"):
        run(net, inputs=inputs, batch={**batch, "speaker": np.zeros((3, 2), int)})


@pytest.mark.parametrize("loss", ["ce", "sampling_loss"])
def test_a_target_with_lengths_of_its_own(loss):
    opts = {"loss_opts": {"num_sampled": 3}, "use_transposed_weights": True} if loss == "sampling_loss" else {}
    labels = {"data": {"dim": 9, "sparse": True}, "delayed": {"dim": 9, "sparse": True}}
    net = {
        "h": {"class": "linear", "n_out": 4, "activation": None, "from": "data:delayed"},
        "output": {"class": "softmax", "from": "h", "target": "data", "loss": loss, **opts},
    }
    tokens = np.random.RandomState(0).randint(0, 9, (2, 6))
    batch = {"data": (tokens, np.array([6, 4])), "delayed": (tokens[:, :5], np.array([5, 4]))}
    result, _ = run(net, inputs=labels, batch=batch, version=0, train=True)
    assert np.isfinite(result.losses["output"].loss) and result.losses["output"].loss > 0
