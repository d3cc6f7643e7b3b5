"""Models that many tests of checkpoints only read, and what pytest must not import: programs of other processes."""

import pytest

from tests.checkpoints.models import KEY, TOKENS, of_size, trained

collect_ignore = ["sharded_worker.py"]


@pytest.fixture(scope="session")
def model():
    """A translator with what training has of it."""
    return trained()


@pytest.fixture(scope="session")
def old():
    """A translator of eleven words: the model, its plan, its params."""
    model = of_size(11)
    return model, model.plan(TOKENS), model.init(KEY, TOKENS)
