"""Networks that are parts of a network, built up from the input."""

import pytest

from tenure.training.pretraining.construct import PretrainError
from tenure.training.pretraining.plan import Pretraining
from tests.training.pretraining.growing import NET, layers, plan


def test_the_older_keys_and_an_option_that_is_none():
    lists = {name: {**options, "from": [options["from"]]} for name, options in NET.items()}
    config = {
        "network": lists,
        "pretrain": "default",
        "pretrain_repetitions": 2,
        "pretrain_construction_algo": "from_input",
    }
    assert layers(Pretraining.from_config(config), 6) == ["a", "a", "ab", "ab", "abc", "abc"]
    with pytest.raises(PretrainError, match="no option 'repetition'"):
        plan(repetition=2)
