"""Keys: what is not done, and what is taken for a slip of the pen."""

import pytest

from tenure.training.config.keys import check_keys
from tenure.training.errors import ConfigError
from tests.training.config.written import config_of


@pytest.mark.parametrize(
    "wrong, right", [("batchsize", "batch_size"), ("learning_rat", "learning_rate"), ("num_epoch", "num_epochs")]
)
def test_a_near_miss_is_an_error_with_the_suggestion(tmp_path, wrong, right):
    with pytest.raises(ConfigError, match=f"'{right}' is"):
        check_keys(config_of(tmp_path, f"#!rnn.py\n{wrong} = 3\n"))


def test_a_near_miss_that_the_config_itself_reads_is_none(tmp_path):
    assert check_keys(config_of(tmp_path, "#!rnn.py\nnum_epoch = 3\nnum_epochs = num_epoch * 2\n")) == []


def test_a_key_that_is_not_done_is_refused_only_when_it_says_something(tmp_path):
    check_keys(
        config_of(tmp_path, "#!rnn.py\ntorch_distributed = False\nuse_horovod = True\nhorovod_reduce_type = 'param'\n")
    )
    with pytest.raises(ConfigError, match=r"'torch_distributed', which is not done(.|\n)*devices"):
        check_keys(config_of(tmp_path, "#!rnn.py\ntorch_distributed = True\n"))


def test_what_is_not_done_in_training_hinders_no_other_task(tmp_path):
    text = "#!rnn.py\nquick_eval = True\ntask = config.value('task', 'train')\n"
    with pytest.raises(ConfigError, match="'quick_eval', which is not done"):
        check_keys(config_of(tmp_path, text))
    assert check_keys(config_of(tmp_path, text, "++task", "search")) == []
    with pytest.raises(ConfigError, match="'torch_distributed', which is not done"):
        check_keys(config_of(tmp_path, "#!rnn.py\ntorch_distributed = True\n", "++task", "search"))
