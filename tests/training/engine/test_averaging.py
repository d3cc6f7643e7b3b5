"""Means of the parameters of several epochs."""

import numpy as np
import pytest

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.engine.models import read
from tenure.training.engine.training import Training
from tenure.training.errors import ConfigError
from tests.training.engine.small import small, values


def test_the_average_of_epochs_is_of_owners(tmp_path):
    tasks.run(small(tmp_path, num_epochs=3), Log(0))
    each = [values(tmp_path, epoch) for epoch in (2, 3)]
    given = small(tmp_path, average_epochs={"last": 2}, average_output=f"{tmp_path}/average")
    training = Training(given, Log(0))
    assert training.load_epoch() == 3
    saved = read(tmp_path / "average")
    for name in ("output/W", "output/b"):
        mean = (each[0][name] + each[1][name]) / 2
        np.testing.assert_allclose(saved[name], mean, rtol=1e-6)
        np.testing.assert_array_equal(training.state.params["output"][name[-1]], saved[name])
    with pytest.raises(ConfigError, match=r"(?s)no checkpoint of 7.*epochs that are there: 1, 2, 3"):
        Training({**given, "average_epochs": [3, 7]}, Log(0)).load_epoch()
    with pytest.raises(ConfigError, match="no epoch has the score 'dev_err'"):
        Training({**given, "average_epochs": {"best": 2, "measure": "dev_err"}}, Log(0)).load_epoch()
