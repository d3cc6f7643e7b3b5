"""The files of a training: which are removed, and which are not."""

import pytest

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.engine.models import Models, to_keep
from tenure.training.engine.training import Training
from tenure.training.errors import ConfigError
from tests.training.engine.small import config


def test_old_models_are_removed_and_nothing_else(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "model.notes").write_text("mine")
    tasks.run(
        config(tmp_path, num_epochs=3, cleanup_old_models={"keep_last_n": 1, "keep_best_n": 0, "keep": []}), Log(0)
    )
    assert sorted(p.name for p in (tmp_path / "net").iterdir()) == ["model.003", "model.notes"]


def test_the_best_epochs_of_a_score_that_does_not_count_are_removed(tmp_path):
    for ignored, kept in ([], {1, 3}), (["dev_score"], {3}):
        few = {"keep_last_n": 1, "keep_best_n": 1, "keep": [], "ignore_score_keys": ignored}
        tasks.run(config(tmp_path, num_epochs=3), Log(0))
        training = Training(config(tmp_path, cleanup_old_models=few), Log(0))
        for epoch, known in training.rates.epochs.items():
            known.scores.update(dev_score=epoch, dev_error=-epoch)
        training.cleanup()
        assert training.models.existing().keys() == kept
    with pytest.raises(ConfigError, match="ignore_score_keys of cleanup_old_models is 'dev_score'"):
        to_keep({}, {"ignore_score_keys": "dev_score"}, training._best)


def test_what_others_put_beside_and_into_checkpoints_stays(tmp_path):
    net, outside = tmp_path / "net", tmp_path / "outside"
    (net / "model.2019").mkdir(parents=True)  # looks like a checkpoint, and is none
    (net / "model.2019" / "data").write_text("mine")
    outside.mkdir()
    (outside / "tenure.json").write_text("{}")
    (net / "model.2018").symlink_to(outside)

    def note(what, values):
        if what == "evaluated" and values["epoch"] == 1:
            (net / "model.001" / "notes").write_text("mine")

    few = {"keep_last_n": 1, "keep_best_n": 0, "keep": []}
    tasks.run(config(tmp_path, num_epochs=2), Log(0), note)
    assert Models(net / "model").existing().keys() == {1, 2}
    tasks.run(config(tmp_path, task="cleanup_old_models", cleanup_old_models=few), Log(0))
    assert [p.name for p in (net / "model.001").iterdir()] == ["notes"] and Models(net / "model").existing().keys() == {
        2
    }
    assert (net / "model.2019" / "data").read_text() == "mine" and (outside / "tenure.json").exists()
