"""The network of an epoch with its values, and the optimizer's states that go over."""

import io

import numpy as np
import pytest

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.engine.models import Models, read
from tenure.training.engine.training import Training
from tenure.training.errors import ConfigError
from tests.training.engine.small import small


def growing(index, net):
    if index:
        return None
    return {"a": net["a"], "output": {**net["output"], "from": "a"}}


GROWN = {
    "a": {"class": "linear", "activation": "tanh", "n_out": 4, "from": "data"},
    "b": {"class": "linear", "activation": "tanh", "n_out": 4, "from": "a"},
    "output": {"class": "softmax", "loss": "ce", "from": "b"},
}
PRETRAIN = {"construction_algo": growing, "repetitions": 1}


def test_greedy_pretraining_trains_what_is_new(tmp_path):
    given = small(tmp_path, network=GROWN, pretrain={**PRETRAIN, "greedy": True}, num_epochs=3)
    tasks.run(given, Log(0))
    models = Models(tmp_path / "net" / "model")
    one, two, three = (read(models.path(epoch, epoch < 3)) for epoch in (1, 2, 3))
    assert one["a/W"].tolist() == two["a/W"].tolist() != three["a/W"].tolist()
    assert one["output/W"].tolist() != two["output/W"].tolist()


def test_optimizer_states_go_over_to_the_next_network_unless_they_are_reset(tmp_path):
    moments = {}
    for reset in (False, True):
        given = small(tmp_path / str(reset), network=GROWN, pretrain=PRETRAIN, num_epochs=1, reset_optimizer=reset)
        training = Training(given, Log(0))
        training.run()
        before = training.state.optimizer[0]["optimizer"]
        training.set_network(2)
        after = moments[reset] = training.state.optimizer[0]["optimizer"]
        assert not np.asarray(after["m"]["b", "W"]).any()
        if not reset:
            np.testing.assert_array_equal(after["m"]["a", "W"], before["m"]["a", "W"])
    assert np.asarray(moments[False]["v"]["a", "W"]).any() and not np.asarray(moments[True]["v"]["a", "W"]).any()


def test_a_training_goes_on_with_another_optimizer(tmp_path):
    tasks.run(small(tmp_path, num_epochs=1), Log(0))
    out = io.StringIO()
    training = Training(small(tmp_path, num_epochs=2, accum_grad_multiple_step=2), Log(3, out=out))
    before = read(tmp_path / "net" / "model.001")
    training.start()
    assert "of 7 arrays of its state, 5 are in" in out.getvalue()
    assert np.asarray(training.state.optimizer[0]["optimizer"]["m"]["output", "W"]).any()
    np.testing.assert_array_equal(training.state.params["output"]["W"], before["output/W"])
    with pytest.raises(ConfigError, match="no epoch has the score 'dev_error'"):
        Training(small(tmp_path, early_stop={"patience": 1, "measure": "dev_error"}), Log(0)).run()


def test_a_checkpoint_that_is_loaded_by_name_says_its_epoch_and_needs_no_model(tmp_path):
    def get_network(epoch: int, **_):
        hidden = {"class": "linear", "activation": "tanh", "n_out": 2 + epoch, "from": "data"}
        return {"h": hidden, "output": {"class": "softmax", "loss": "ce", "from": "h"}, "#copy_param_mode": "subset"}

    given = {k: v for k, v in small(tmp_path, get_network=get_network).items() if k != "network"}
    tasks.run(given, Log(0))
    loaded = given | {"model": None, "task": "eval", "learning_rate_file": None}
    for epoch in (1, 2):
        learner = Training(loaded | {"load": f"{tmp_path}/net/model.00{epoch}"}, Log(0))
        assert learner.load_epoch() == epoch
        assert learner.state.params["h"]["W"].shape == (9, 2 + epoch)
    (tmp_path / "best").symlink_to(tmp_path / "net" / "model.001")
    assert Training(loaded | {"load": f"{tmp_path}/best"}, Log(0)).load_epoch() == 1
    with pytest.raises(ConfigError, match="there is no checkpoint '/'"):
        Training(loaded | {"load": "/"}, Log(0)).load_epoch()
    for wrong in ({"load": None}, {"load": "x.001", "task": "train"}):
        with pytest.raises(ConfigError, match="'model' says where checkpoints go"):
            Training(loaded | wrong, Log(0))
