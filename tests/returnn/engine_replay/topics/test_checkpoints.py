"""Checkpoints: RETURNN's recorded cases of reading, writing and loading."""

from tenure.returnn.engine_replay import replay
from tests.returnn.engine_replay.topics.recorded import recorded
from tests.training.cases import FOLDER


@recorded
def test_recorded_cases():
    verdicts = list(replay(FOLDER, "checkpoints"))
    failed = [f"{v.id}: {v.problems[0]}" for v in verdicts if not v.passed]
    assert len(verdicts) >= 75
    assert not failed, "\n".join(failed)
