"""RETURNN's recorded engine cases: every topic that is replayed passes, but for what is known."""

import pytest

from tenure.returnn.engine_replay import replay
from tests.training.cases import FOLDER, KNOWN, PRESENT, WHY

recorded = pytest.mark.skipif(not PRESENT, reason=WHY)
QUICK = ["seq_order", "batching", "config", "lr_control", "pretrain", "vocab", "log_lines", "datasets"]


@recorded
@pytest.mark.parametrize("topic", QUICK)
def test_topic(topic):
    failing = {v.id: v.problems[0] for v in replay(FOLDER, topic) if not v.passed}
    assert failing.keys() == {name for name in KNOWN if name.startswith(f"{topic}/")}, failing


@recorded
@pytest.mark.parametrize("name", ["a2_12ax_blstm_chunked/forward", "b_ff_frames/eval_seq_txt", "c_blstm_ctc/priors"])
def test_runs(name):
    assert [v.problems for v in replay(FOLDER, "runs", name)] == [()]
