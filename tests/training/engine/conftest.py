"""A trained model that several tests read."""

import pytest

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tests.training.engine.small import config


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folder of a training of one epoch."""
    folder = tmp_path_factory.mktemp("trained")
    tasks.run(config(folder, num_epochs=1), Log(0))
    return folder
