"""Whole trainings, evaluations and forwarding, from the config to the files: some of RETURNN's recorded cases."""

import pytest

from tenure.returnn.engine_replay import replay
from tests.returnn.engine_replay.topics.recorded import recorded
from tests.training.cases import FOLDER


@recorded
@pytest.mark.parametrize("name", ["a2_12ax_blstm_chunked/forward", "b_ff_frames/eval_seq_txt", "c_blstm_ctc/priors"])
def test_runs(name):
    assert [v.problems for v in replay(FOLDER, "runs", name)] == [()]
