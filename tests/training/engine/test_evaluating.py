"""Scores of single sequences, and statistics of frames."""

import numpy as np
import pytest

from tenure.training.errors import ConfigError
from tests.training.engine.small import NET
from tests.training.engine.told import DATA, said


def test_analyze_tells_statistics_of_frames(trained):
    text = said(trained, task="analyze", sil_label_idx=0, dev=DATA, dropout=0)
    told = dict(line.removeprefix("stats:").split(": ", 1) for line in text.splitlines() if line.startswith("stats:"))
    assert (told["seq_length"], told["seq_length_sil"], told["seq_length_no_sil"]) == ("12", "7", "5")
    parts = (7 * float(told["loss_ce_sil"]) + 5 * float(told["loss_ce_no_sil"])) / 12
    assert float(told["loss_ce"]) == pytest.approx(parts, rel=1e-5)
    score = next(line for line in text.splitlines() if line.startswith("analyze: score"))
    assert float(score.split()[2]) == pytest.approx(float(told["loss_ce"]), rel=1e-5)


TWO = {
    "class": "StaticDataset",
    "data": [{"data": np.eye(9, dtype="f4")[:n], "classes": np.arange(n, dtype="i4") % 2} for n in (2, 4)],
    "output_dim": {"data": [9, 2], "classes": [2, 1]},
}


@pytest.mark.parametrize("form", ["txt", "py"])
def test_scores_of_each_sequence_and_of_its_frames(trained, tmp_path, form):
    name, path = "seq_tag,seq_len,score,error,pos_score,pos_error", tmp_path / "each"
    net = {**NET, "output": {**NET["output"], "loss_opts": {"label_smoothing": 0.1}}}
    more = dict(eval_output_file_per_seq=str(path), loss_name="output", output_per_seq_file_format=form)
    text = said(trained, task="eval", dev=TWO, network=net, output_per_seq_format=name, **more)
    whole = float(next(line for line in text.splitlines() if line.startswith("dev: score")).split()[2])
    assert "epoch 1 'dev' eval, finished after 2 steps" in text
    if form == "py":
        known = {"np": np, "array": np.array, "float32": np.float32}
        found = [list(of.values()) for of in eval(path.read_text(), known).values()]
        assert [type(v) for v in found[0][:4]] == [str, np.int32, np.float32, np.float32]
    else:
        read = [line.split(";") for line in path.read_text().splitlines()]
        found = [[t, int(n), float(s), float(e), *([*map(float, x.split())] for x in of)] for t, n, s, e, *of in read]
    assert [(tag, n) for tag, n, *_ in found] == [("seq-0", 2), ("seq-1", 4)]
    for _, n, score, error, scores, errors in found:
        assert len(scores) == len(errors) == n and set(errors) <= {0.0, 1.0}
        np.testing.assert_allclose([score, error], [np.mean(scores), np.mean(errors)], rtol=1e-5)
    np.testing.assert_allclose(sum(n * score for _, n, score, *_ in found) / 6, whole, rtol=1e-5)


def test_a_loss_of_whole_sequences_has_no_frames(tmp_path):
    ctc = {"class": "softmax", "loss": "ctc", "n_out": 3, "from": "data"}
    more = dict(network={"output": ctc}, dev=TWO, allow_random_model_init=True, loss_name="output")
    out = dict(task="eval", eval_output_file_per_seq=str(tmp_path / "each"))
    text = said(tmp_path, **more, **out)
    whole = float(next(line for line in text.splitlines() if line.startswith("dev: score")).split()[2])
    assert sum(map(float, (tmp_path / "each").read_text().split())) == pytest.approx(6 * whole, rel=1e-5)
    with pytest.raises(ConfigError, match="the loss 'output' has no 'pos_score'"):
        said(tmp_path, **more, **out, output_per_seq_format="pos_score")
