"""Statistics of frames, in numpy."""

import numpy as np

from tests.network.layers.running import KEEP, LABELS, run


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
