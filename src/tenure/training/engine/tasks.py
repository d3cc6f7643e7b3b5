"""The tasks of a config: what the key `task` may say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tenure.core.errors import brief, nearest
from tenure.training.config.config import Config
from tenure.training.engine import lock, searching
from tenure.training.engine.evaluating import analyze, evaluate
from tenure.training.engine.forwarding import compute_priors, forward
from tenure.training.engine.log import Log
from tenure.training.engine.settings import values
from tenure.training.engine.training import Training, Watch
from tenure.training.errors import ConfigError
from tenure.training.watching.watch import watch_of


def run(config: Config | Mapping[str, Any], log: Log | None = None, watch: Watch | None = None) -> None:
    """Does what a config's `task` says.

    Raises:
      ConfigError: the task is not known, or a key that it needs is not set.
    """
    given = values(config) if isinstance(config, Config) else dict(config)
    task = given.get("task") or "train"
    if task not in TASKS:
        raise ConfigError(f"task is {brief(task)}", near=nearest(str(task), TASKS), ways=[", ".join(TASKS)])
    own = log is None
    log = log or Log.from_config(given)
    try:
        TASKS[task](given, log, watch_of(given, log, watch))
    finally:
        if own:
            log.close()


def train(config: Mapping[str, Any], log: Log | None, watch: Watch | None) -> None:
    """Trains until `num_epochs`."""
    Training(config, log, watch).run()


def search(config: Mapping[str, Any], log: Log | None, watch: Watch | None) -> None:
    """The hypotheses of `search_output_layer` for `search_data`, written to `search_output_file`."""
    searching.search(Training(config, log, watch), config)


def initialize_model(config: Mapping[str, Any], log: Log | None, watch: Watch | None) -> None:
    """Saves the network as it is before the first epoch."""
    training = Training(config, log, watch)
    with lock.held(training.models.prefix):
        training.set_network(1)
        step = training.initial()
        training.commit(training.models.path(0), step, epoch=0)


def cleanup_old_models(config: Mapping[str, Any], log: Log | None, watch: Watch | None) -> None:
    """Removes checkpoints that need not be kept."""
    training = Training({"cleanup_old_models": True, **config}, log, watch)
    with lock.held(training.models.prefix):
        training.cleanup()


def nothing(config: Mapping[str, Any], log: Log | None, watch: Watch | None) -> None:
    """Reads the config, and that is all."""


Task = Callable[[Mapping[str, Any], Log | None, Watch | None], None]
TASKS: dict[str, Task] = {
    "train": train,
    "eval": evaluate,
    "forward": forward,
    "search": search,
    "compute_priors": compute_priors,
    "analyze": analyze,
    "initialize_model": initialize_model,
    "cleanup_old_models": cleanup_old_models,
    "nop": nothing,
}
