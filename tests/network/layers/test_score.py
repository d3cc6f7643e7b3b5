"""Losses as layers, and losses that layers carry."""

import numpy as np
import pytest

from tenure import TenureError
from tests.network.layers.running import KEEP, LABELS, LENGTHS, run


def test_a_loss_as_a_layer_is_a_number_for_each_frame():
    net = {
        "p": {"class": "softmax", "n_out": 4, "from": "data"},
        "x": {"class": "loss", "loss_": "ce", "target_": "classes", "from": "p", "is_output_layer": True},
        "output": {"class": "softmax", "n_out": 4, "from": "data", "reuse_params": "p", "loss": "ce"},
    }
    result, _ = run(net)
    frames = np.asarray(result.outputs["x"].batch_first().data)
    assert frames.shape == (3, 6)
    assert result.losses["output"].loss == pytest.approx(frames[KEEP].sum(), rel=1e-5)
    assert result.losses["output"].norm_factor == pytest.approx(1 / LENGTHS.sum())


def aligned(**layer):
    """The loss of a soft alignment, which `layer` hands on."""
    net = {
        "p": {"class": "softmax", "n_out": 5, "from": "data"},
        "fbw": {
            "class": "fast_bw",
            "align_target": "ctc",
            "input_type": "prob",
            "from": "p",
            "align_target_key": "classes",
        },
        "x": {"from": "fbw", **layer},
        "output": {"class": "copy", "from": "p", "loss": "via_layer", "loss_opts": {"align_layer": "x"}},
    }
    return float(run(net)[0].losses["output"].loss)


def test_the_loss_that_a_layer_carries_is_handed_on():
    plain = aligned(**{"class": "copy"})
    half = aligned(**{"class": "eval", "eval": "source(0) * 0.5", "eval_for_output_loss": True})
    same = aligned(**{"class": "eval", "eval": "source(0) * 0.5", "copy_output_loss_from_source_idx": 0})
    assert plain > 1 and half == pytest.approx(plain / 2, rel=1e-5) and same == pytest.approx(plain, rel=1e-5)
    with pytest.raises(TenureError, match="'via_layer' needs a layer that computes a loss"):
        aligned(**{"class": "eval", "eval": "source(0) * 0.5"})
    with pytest.raises(TenureError, match="losses of their own"):
        aligned(**{"class": "eval", "from": "p", "eval": "source(0) * 0.5", "eval_for_output_loss": True})
    with pytest.raises(TenureError, match="copy_output_loss_from_source_idx.*there are 1 inputs"):
        aligned(**{"class": "copy", "copy_output_loss_from_source_idx": 1})


def test_options_of_an_automaton_that_there_are_not_are_refused():
    net = {"output": {"class": "fast_bw", "align_target": "ctc", "ctc_opts": {"blank": 0}, "from": "data"}}
    with pytest.raises(TenureError, match="there is no 'blank'"):
        run(net)


def test_a_copy_of_probabilities_knows_their_logits():
    """The loss of a probability that a float cannot hold."""
    net = {
        "p": {"class": "activation", "activation": "softmax", "from": "far"},
        "far": {
            "class": "eval",
            "eval": "tf.one_hot(tf.zeros(tf.shape(source(0))[:2], tf.int32), 4) * 200.0",
            "from": "data",
            "out_type": {"dim": 4, "shape": (None, 4)},
        },
        "output": {"class": "copy", "from": "p", "loss": "ce"},
    }
    wrong = int((LABELS[KEEP] != 0).sum())
    assert run(net)[0].losses["output"].loss == pytest.approx(200 * wrong, rel=1e-5)
