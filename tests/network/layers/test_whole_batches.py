"""Layers over whole sequences or batches: medians, softmax over everything, statistics, segments."""

import numpy as np
import pytest

from tenure import TenureError
from tests.network.layers.running import KEEP, LABELS, LENGTHS, X, lengths, output, run


def test_softmax_over_time_and_features():
    y, _ = output({"class": "batch_softmax"})
    for row, x, n in zip(y, X, LENGTHS, strict=True):
        e = np.exp(x[:n].astype(np.float64))
        assert np.allclose(row[:n], e / e.sum(), atol=1e-6) and not row[n:].any()


def test_medians_over_the_batch():
    y, t = output({"class": "batch_median_pooling", "pool_size": 3})
    counted = [sorted(X[KEEP[:, n], n], key=lambda v: v[0]) for n in range(6)]
    assert np.allclose(y[0, :, 0], [frames[len(frames) // 2][0] for frames in counted])
    assert lengths(t, 1).tolist() == [6]
    two = {k: (np.repeat(x, 2, axis=0), np.repeat(LENGTHS, 2)) for k, x in (("data", X), ("classes", LABELS))}
    y, t = output({"class": "batch_median_pooling", "pool_size": 2}, batch=two)
    assert np.allclose(y, X) and lengths(t, 1).tolist() == LENGTHS.tolist()
    with pytest.raises(TenureError, match="pool_size"):
        output({"class": "batch_median_pooling", "pool_size": 2})


def test_statistics_of_frames():
    net = {
        "p": {"class": "softmax", "from": "data", "n_out": 4, "loss": "ce", "target": "classes"},
        "f": {"class": "framewise_statistics", "sil_label_idx": 0, "from": "p"},
        "output": {"class": "copy", "from": ["f"]},
        "loud": {"class": "copy", "from": "f/batch_loss_ce_no_sil", "is_output_layer": True},
        "wrong": {"class": "copy", "from": "f/batch_frame_error", "is_output_layer": True},
        "bins": {"class": "copy", "from": "f/batch_true_label_prob_histogram", "is_output_layer": True},
        "n": {"class": "copy", "from": "f/batch_seq_length_sil", "is_output_layer": True},
    }
    result, _ = run(net)
    p = np.asarray(result.outputs["p"].batch_first().data)
    true = np.take_along_axis(p, LABELS[..., None], -1)[..., 0]
    loud = KEEP & (LABELS != 0)
    got = {k: np.asarray(v.data) for k, v in result.outputs.items()}
    assert np.allclose(got["loud"], -np.log(true[loud]).mean(), rtol=1e-5) and got["output"] == 0
    assert np.allclose(got["wrong"], (p.argmax(-1) != LABELS)[KEEP].mean()) and got["n"] == (LABELS == 0)[KEEP].sum()
    bins = np.clip(np.round(true[KEEP] * 20), 0, 19).astype(int)
    assert np.allclose(got["bins"], np.bincount(bins, minlength=20) / KEEP.sum())


def test_scores_of_segments():
    more = {"p": {"class": "activation", "activation": "sigmoid", "from": "data"}}
    y, _ = output({"class": "normalize_length_scores", "from": "p"}, more=more)
    assert np.allclose(y, (1 / (1 + np.exp(-X))) ** np.arange(1, 7)[:, None], atol=1e-6)
    more = {
        "a": {"class": "linear", "from": "data", "n_out": 6, "activation": None},
        "e": {"class": "eval", "from": "data", "eval": "tf.abs(source(0)) + 0.1"},
        "d": {"class": "reduce", "mode": "max", "axis": "F", "keep_dims": True, "from": "e"},
    }
    net = {**more, "x": {"class": "apply_length_distribution", "from": ["a", "d"], "length_model_scale": 0.5}}
    result, _ = run(net)
    a, x = (np.asarray(result.outputs[k].batch_first().data) for k in "ax")
    assert np.allclose(x, a * np.sqrt((np.abs(X) + 0.1).max(-1))[:, None, :], atol=1e-5)


@pytest.mark.parametrize("name", ["segment_input", "kenlm", "mask_based_gevbeamforming", "fill_unused"])
def test_refused_classes_say_what_to_write_instead(name):
    with pytest.raises(TenureError, match=f"'{name}' is refused") as error:
        output({"class": name})
    assert "{'class'" in str(error.value) or "pipeline" in str(error.value)
