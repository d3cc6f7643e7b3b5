"""The files of a training: which are removed, and which are not."""

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tests.training.engine.small import config


def test_old_models_are_removed_and_nothing_else(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "model.notes").write_text("mine")
    tasks.run(
        config(tmp_path, num_epochs=3, cleanup_old_models={"keep_last_n": 1, "keep_best_n": 0, "keep": []}), Log(0)
    )
    assert sorted(p.name for p in (tmp_path / "net").iterdir()) == ["model.003", "model.notes"]
