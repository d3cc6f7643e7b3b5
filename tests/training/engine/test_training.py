"""Trainings of our own: that they go on exactly where they stopped, and what they tell."""

import numpy as np
import pytest

from tenure.training.config.config import Config
from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.engine.models import Models, metadata, read
from tenure.training.engine.training import Stopped, Training
from tenure.training.errors import ConfigError, DataSetError
from tests.training.engine.small import NET, StopAt, config, run, values


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize("steps", [1, 5])
def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path, steps):
    whole = run(tmp_path / "whole", batch_size=100)
    given = config(tmp_path / "parts", batch_size=100)
    with pytest.raises(Stopped, match="the same command goes on") as stop:
        Training(given, Log(0), StopAt(steps)).run()
    assert stop.value.status == 143
    assert metadata(Models(tmp_path / "parts" / "net" / "model").unfinished)["done"] > 0
    Training(given, Log(0)).run()
    same(whole, values(tmp_path / "parts"))
    texts = [(tmp_path / name / "rates").read_text() for name in ("whole", "parts")]
    first, second = ([x for x in text.splitlines() if "time_secs" not in x] for text in texts)
    assert first == second


def test_more_epochs_go_on_where_the_last_one_ended(tmp_path):
    whole = run(tmp_path / "whole")
    run_one = config(tmp_path / "parts", num_epochs=1)
    tasks.run(run_one, Log(0))
    same(whole, run(tmp_path / "parts"))


def test_a_training_that_has_ended_says_so(tmp_path, capsys):
    given = config(tmp_path, num_epochs=1)
    tasks.run(given, Log(3))
    assert "start training at epoch 1" in capsys.readouterr().out
    tasks.run(given, Log(3))
    said = capsys.readouterr().out
    assert "No epochs to train, start_epoch: 2, final_epoch: 1" in said and "start training" not in said


def test_with_horovod_one_process_trains_alone_and_says_so(tmp_path, capsys, monkeypatch):
    given = config(tmp_path, num_epochs=1, use_horovod=True)
    tasks.run(given, Log(3))
    assert "this process trains alone" in capsys.readouterr().out
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="2 processes were started"):
        tasks.run(given, Log(0))


def test_an_epoch_that_was_trained_but_not_evaluated_is_evaluated_first(tmp_path):
    given = config(tmp_path, num_epochs=1)
    training = Training(given, Log(0))
    training._evaluate = lambda epoch: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        training.run()
    assert "dev_score" not in (tmp_path / "rates").read_text()
    Training(given, Log(0)).run()
    assert "dev_score" in (tmp_path / "rates").read_text()


def test_a_training_starts_where_start_epoch_says(tmp_path):
    tasks.run(config(tmp_path, num_epochs=3), Log(0))
    third, rates = values(tmp_path, 3), (tmp_path / "rates").read_text()
    tasks.run(config(tmp_path, num_epochs=3, start_epoch=3), Log(0))
    same(third, values(tmp_path, 3))
    with pytest.raises(ConfigError, match="start_epoch is 5, and there is no checkpoint of epoch 4"):
        tasks.run(config(tmp_path, num_epochs=6, start_epoch=5), Log(0))
    with pytest.raises(ConfigError, match="from the checkpoint of epoch 2, and load_epoch is 1"):
        tasks.run(config(tmp_path, start_epoch=3, load_epoch=1), Log(0))
    tasks.run(config(tmp_path, num_epochs=1, start_epoch=1), Log(0))
    assert (tmp_path / "rates").read_text().count("learningRate") == rates.count("learningRate")


def test_steps_of_a_checkpoint_that_a_training_starts_with_count(trained, tmp_path):
    old = trained / "net" / "model.001"
    steps = int(read(old)["global_step"])
    tasks.run(config(tmp_path, num_epochs=1, import_model_train_epoch1=str(old)), Log(0))
    assert int(values(tmp_path, 1)["global_step"]) == 2 * steps
    tasks.run(config(tmp_path / "on", num_epochs=2, load=str(old)), Log(0))  # goes on with the epoch after
    assert Models(tmp_path / "on" / "net" / "model").existing().keys() == {2}


def test_the_network_before_the_first_epoch_may_be_saved(trained, tmp_path):
    old = trained / "net" / "model.001"
    given = dict(save_epoch1_initial_model=True, import_model_train_epoch1=str(old), num_epochs=1)
    tasks.run(config(tmp_path, **given), Log(0))
    same(read(old), values(tmp_path, 0))
    tasks.run(config(tmp_path, **given), Log(0))  # it is not what a training goes on from
    assert Models(tmp_path / "net" / "model").existing().keys() == {0, 1}


def test_the_learning_rate_file_tells_the_rate_of_an_epochs_first_step(tmp_path):
    tasks.run(config(tmp_path, dynamic_learning_rate={"interval": 100, "decay": 0.5}), Log(0))
    told = [line for line in (tmp_path / "rates").read_text().splitlines() if "effective" in line]
    steps = int(values(tmp_path, 1)["global_step"])
    found = [float(line.split("np.float32(")[1].rstrip("),")) for line in told]
    np.testing.assert_allclose(found, [0.01, 0.01 * 0.5**steps], rtol=1e-5)


def test_the_optimizer_starts_anew_after_so_many_steps(tmp_path):
    counts = []

    def watch(what, told):
        if what == "step":
            counts.append(int(training.state.optimizer[0]["optimizer"]["count"]))

    training = Training(config(tmp_path, num_epochs=1, reset_updater_vars_mod_step=2), Log(0), watch)
    training.run()
    assert len(counts) > 3 and set(counts) == {1, 2}
    before = len(counts)
    resting = {"network": {**NET, "#trainable": False}, "num_epochs": 2, "reset_updater_vars_mod_step": 2}
    training = Training(config(tmp_path, **resting), Log(0), watch)
    training.run()  # an epoch that trains nothing leaves the optimizer as it is
    assert set(counts[before:]) == {counts[before - 1]}


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DataSetError, match="the network is fed 'letters', which the data set does not have"):
        data = {"letters": {"dim": 3}, "classes": {"dim": 2, "sparse": True}}
        net = {"output": {"class": "softmax", "loss": "ce", "from": "data:letters"}}
        tasks.run(config(tmp_path, extern_data=data, network=net), Log(0))
    with pytest.raises(ConfigError, match=r"(?s)task is 'trian'.*nearest names: train"):
        tasks.run(Config({"task": "trian"}), Log(0))
    with pytest.raises(ConfigError, match="there is no checkpoint under"):
        tasks.run(config(tmp_path, task="eval"), Log(0))


def test_data_to_evaluate_on_that_are_missing_are_told_before_anything_is_trained(tmp_path):
    pytest.importorskip("h5py")
    steps = []
    missing = {"class": "HDFDataset", "files": [f"{tmp_path}/none.hdf"]}
    with pytest.raises(DataSetError, match="there is no HDF file '.*none.hdf'"):
        tasks.run(
            config(tmp_path, dev=missing), Log(0), lambda what, told: steps.append(told) if what == "step" else None
        )
    assert not steps and not [p for p in (tmp_path / "net").iterdir() if p.name.startswith("model")]
