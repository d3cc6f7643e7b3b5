"""Tasks other than training: what they write, and how good they say that it is."""

import numpy as np
import pytest

from tenure.training.engine.log import Log
from tenure.training.engine.models import read
from tenure.training.engine.training import Training
from tests.cli.process import tenure, write
from tests.training.engine.small import config
from tests.training.engine.told import BEST, said


def test_nop_reads_the_config_and_writes_nothing(tmp_path):
    assert said(tmp_path, task="nop") == "" and not list(tmp_path.iterdir())


def test_initialize_model_saves_what_a_training_starts_from(tmp_path):
    said(tmp_path, task="initialize_model")
    (made,) = (tmp_path / "net").glob("model.*")
    assert made.name == "model.000" and read(made)["output/W"].shape
    more = {"model": f"{tmp_path}/other/model", "import_model_train_epoch1": str(made), "random_seed": 7}
    training = Training(config(tmp_path, **more), Log(0))
    training.start()
    np.testing.assert_array_equal(training.state.params["output"]["W"], read(made)["output/W"])


@pytest.mark.slow
def test_the_commands_are_the_tasks(tmp_path):
    name = write(tmp_path, f"network['best'] = {BEST}\nsearch_output_layer = 'best'\n")
    assert tenure("train", name, folder=tmp_path).returncode == 0
    evaluated = tenure("eval", name, folder=tmp_path)
    assert evaluated.returncode == 0 and "dev: score" in evaluated.stdout, evaluated.stderr
    searched = tenure("search", name, "++search_data", "config:dev", folder=tmp_path)
    assert searched.returncode == 0 and "WER" in searched.stdout, searched.stderr
    forwarded = tenure("forward", name, "++forward_data", "dev", "++output_file", "o.hdf", folder=tmp_path)
    assert forwarded.returncode == 0 and (tmp_path / "o.hdf").exists(), forwarded.stderr
    nothing = tenure("search", folder=tmp_path)
    assert nothing.returncode == 1 and "tenure search needs a config" in nothing.stderr
