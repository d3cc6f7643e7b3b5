"""Learning rates that change within an epoch: the key `dynamic_learning_rate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tenure.core.errors import brief, nearest
from tenure.training.errors import LearningRateError

Dynamic = Callable[[Any, Any], Any]
_OPTIONS = ("interval", "decay")


def dynamic(option: Any) -> Dynamic:
    """The function (learning rate of the epoch, training step) -> learning rate of the step.

    The rates are float32, and steps are whole numbers, counted from 0; a function of the config's own may also give a Python float.

    Args:
      option: a function with keywords `learning_rate` and `global_train_step`; `{"interval": n, "decay": d}`, which multiplies with d in
        every step and starts anew every n steps; or None.

    Raises:
      LearningRateError: it is none of these.

    >>> [round(float(dynamic({"interval": 2, "decay": 0.5})(np.float32(1), step)), 3) for step in range(4)]
    [1.0, 0.5, 1.0, 0.5]
    """
    if option is None:
        return lambda rate, step: rate
    if callable(option):
        return lambda rate, step: option(learning_rate=rate, global_train_step=step)
    if not isinstance(option, Mapping) or set(option) != set(_OPTIONS):
        wrong = [key for key in option if key not in _OPTIONS] if isinstance(option, Mapping) else []
        raise LearningRateError(
            f"dynamic_learning_rate is {brief(option)}",
            near=[name for key in wrong for name in nearest(str(key), _OPTIONS)],
            ways=["a function of learning_rate and global_train_step", "{'interval': steps, 'decay': factor}"],
        )
    interval, decay = option["interval"], np.float32(option["decay"])
    return lambda rate, step: rate * decay ** np.float32(step % interval)
