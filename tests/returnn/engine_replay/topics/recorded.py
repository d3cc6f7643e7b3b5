"""RETURNN's recorded engine cases, where they lie beside the repository."""

import pytest

from tenure.returnn.engine_replay import replay
from tests.training.cases import FOLDER, KNOWN, PRESENT, WHY

recorded = pytest.mark.skipif(not PRESENT, reason=WHY)


def check_topic(topic):
    """All cases of a topic pass but for those that are known to contradict themselves."""
    failing = {v.id: v.problems[0] for v in replay(FOLDER, topic) if not v.passed}
    assert failing.keys() == {name for name in KNOWN if name.startswith(f"{topic}/")}, failing
