"""An epoch does not go on with other batches than before its stop."""

import pytest

from tenure.training.engine.log import Log
from tenure.training.engine.models import Models
from tenure.training.engine.training import Stopped, Training
from tenure.training.errors import TrainingError
from tests.training.engine.small import StopAt, config


@pytest.mark.parametrize("change", [{"batch_size": 250}, {"batching": "sorted"}, {"train": {"num_seqs": 11}}])
def test_an_epoch_does_not_go_on_with_other_batches(tmp_path, change):
    given = config(tmp_path)
    with pytest.raises(Stopped):
        Training(given, Log(0), StopAt(2)).run()
    if "train" in change:
        change = {"train": {**given["train"], **change["train"]}}
    with pytest.raises(TrainingError, match="since the stop, what it trains on has changed") as refused:
        Training({**given, **change}, Log(0)).run()
    unfinished = Models(tmp_path / "net" / "model").unfinished
    assert unfinished.exists() and f"remove '{unfinished}'" in str(refused.value)
    Models(tmp_path / "net" / "model").remove(unfinished)
    Training({**given, **change, "num_epochs": 1}, Log(0)).run()
