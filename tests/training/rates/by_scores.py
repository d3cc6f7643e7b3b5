"""The learning rates that scores lead to."""

from tenure.training.rates.control import LearningRates


def rates_of(scores, **config):
    """The learning rates of all epochs, and of one more, where epoch n has the n-th dev_score."""
    rates = LearningRates.from_config({"learning_rate": 1.0, "learning_rate_control": "newbob", **config})
    found = []
    for epoch, score in enumerate(scores, 1):
        found.append(rates.rate(epoch))
        if score is not None:
            rates.record(epoch, {"dev_score": score})
    return [*found, rates.rate(len(scores) + 1)]
