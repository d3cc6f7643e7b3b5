"""Data sets: RETURNN's recorded cases pass, but for what is known."""

from tests.returnn.engine_replay.topics.recorded import check_topic, recorded


@recorded
def test_recorded_cases():
    check_topic("datasets")
