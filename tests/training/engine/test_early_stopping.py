"""A training ends when its best epoch is too old."""

import io

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.engine.models import Models
from tests.training.engine.small import small


def test_a_training_ends_when_its_best_epoch_is_old(tmp_path):
    out = io.StringIO()
    given = small(tmp_path, num_epochs=9, early_stop={"patience": 2, "measure": "train_score", "min_improvement": 9.0})
    tasks.run(given, Log(3, out=out))
    assert max(Models(tmp_path / "net" / "model").existing()) == 3
    assert "Finished training in epoch 3." in out.getvalue()
    tasks.run(given, Log(0))  # and does not go on
    assert max(Models(tmp_path / "net" / "model").existing()) == 3
