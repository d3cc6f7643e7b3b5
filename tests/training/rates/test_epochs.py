from types import SimpleNamespace

import pytest

from tenure.training.rates.control import LearningRates
from tenure.training.rates.epochs import epoch_to_go_back_to, rate_of_epoch

CONFIG = {"learning_rate": 0.1, "learning_rate_control": "newbob", "learning_rate_decay": 0.5}
PRETRAINING = SimpleNamespace(epochs=3)


def rates_of(*scores):
    rates = LearningRates.from_config(CONFIG)
    for epoch, score in enumerate(scores, 1):
        rates.rate(epoch)
        rates.record(epoch, {"dev_score": score})
    return rates


@pytest.mark.parametrize(
    ("epoch", "config", "overrides", "wanted"),
    [
        (2, {}, {}, 0.1),  # pretraining: the first rate
        (2, {"pretrain_learning_rate": 0.01}, {}, 0.01),
        (2, {"pretrain_learning_rate": 0.01}, {"learning_rate": 0.7}, 0.7),  # the network's own
        (4, {"pretrain_learning_rate": 0.01}, {}, 0.1),  # after pretraining: the first rate again
    ],
)
def test_rates_of_pretraining(epoch, config, overrides, wanted):
    rates = rates_of(*[3.0] * (epoch - 1))
    assert rate_of_epoch(epoch, rates, config, PRETRAINING, overrides) == wanted
    assert rates.rate(epoch) == wanted


def test_control_in_pretraining_and_without_it():
    always = {"use_learning_rate_control_always": True}
    controlled = rate_of_epoch(3, rates_of(3.0, 3.0), {}, None, {})
    assert controlled == rate_of_epoch(3, rates_of(3.0, 3.0), always, PRETRAINING, {}) == 0.05


def test_a_measured_epoch_keeps_its_rate():
    rates = rates_of(3.0, 3.0)
    assert rate_of_epoch(2, rates, {}, None, {"learning_rate": 0.7}) == 0.1


@pytest.mark.parametrize(
    ("epoch", "option", "pretraining", "wanted"),
    [
        (5, None, None, None),
        (1, True, None, None),
        (5, True, None, 2),
        (4, True, PRETRAINING, None),  # the first after pretraining
        (6, True, PRETRAINING, 4),  # none of pretraining but its last
        (3, True, None, None),  # the last one is the best
        (5, {"modulo": 4}, None, None),
    ],
)
def test_the_epoch_to_go_back_to(epoch, option, pretraining, wanted):
    rates = rates_of(4.0, 1.0, 3.0, 2.0, 5.0)
    assert epoch_to_go_back_to(epoch, rates, {"use_last_best_model": option}, pretraining) == wanted


def test_a_list_of_rates_counts_after_pretraining_and_is_what_the_file_says_before():
    """RETURNN's numbers: an epoch of pretraining and the one after it have the first rate, whatever the list has for them."""
    rates = LearningRates.from_config({**CONFIG, "learning_rates": [0.5, 0.4, 0.3, 0.2, 0.15]})
    assert [rate_of_epoch(epoch, rates, {}, PRETRAINING, {}) for epoch in range(1, 6)] == [0.1, 0.1, 0.1, 0.1, 0.15]
    assert [rates.rate(epoch) for epoch in range(1, 6)] == [0.5, 0.4, 0.3, 0.2, 0.15]
