"""Statistics of frames."""

import pytest

from tests.training.engine.told import DATA, said


def test_analyze_tells_statistics_of_frames(trained):
    text = said(trained, task="analyze", sil_label_idx=0, dev=DATA, dropout=0)
    told = dict(line.removeprefix("stats:").split(": ", 1) for line in text.splitlines() if line.startswith("stats:"))
    assert (told["seq_length"], told["seq_length_sil"], told["seq_length_no_sil"]) == ("12", "7", "5")
    parts = (7 * float(told["loss_ce_sil"]) + 5 * float(told["loss_ce_no_sil"])) / 12
    assert float(told["loss_ce"]) == pytest.approx(parts, rel=1e-5)
    score = next(line for line in text.splitlines() if line.startswith("analyze: score"))
    assert float(score.split()[2]) == pytest.approx(float(told["loss_ce"]), rel=1e-5)
