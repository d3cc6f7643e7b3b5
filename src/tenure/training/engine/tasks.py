"""The tasks of a config: what the key `task` may say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tenure.core.errors import brief, nearest
from tenure.training.config.config import Config
from tenure.training.engine import lines, lock, searching
from tenure.training.engine.feeding import Feed
from tenure.training.engine.log import Log
from tenure.training.engine.outputs import Numbers, dictionary, rows, write_hdf
from tenure.training.engine.settings import evaluation_options, evaluation_sets, named, training_options, values
from tenure.training.engine.training import Training, Watch
from tenure.training.errors import ConfigError
from tenure.training.files import write_text
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
    log = log or Log.from_config(given)
    TASKS[task](given, log, watch_of(given, log, watch))


def train(config: Mapping[str, Any], log: Log | None, watch: Watch | None) -> None:
    """Trains until `num_epochs`."""
    Training(config, log, watch).run()


def evaluate(config: Mapping[str, Any], log: Log | None, watch: Watch | None) -> None:
    """The scores of all evaluation sets; `eval_output_file` and `eval_output_file_per_seq` take them."""
    training = Training(config, log, watch)
    epoch = training.load_epoch()
    if config.get("eval_output_file_per_seq"):
        return _each_sequence(training, config)
    found, file = {}, {}
    for name, options in evaluation_sets(config).items():
        scores = training.evaluated(epoch, name, options)
        found[name] = scores.shown()
        file[name] = {
            "error": Numbers({f"error:{k}": v for k, v in scores.errors().items()}),
            "score": Numbers({f"cost:{k}": v for k, v in scores.scores().items()}),
        }
    training.log.say(lines.evaluation_scores(found), 1)
    if config.get("eval_output_file"):
        write_text(Path(config["eval_output_file"]), dictionary(file) + "\n")
    return None


def _each_sequence(training: Training, config: Mapping[str, Any]) -> None:
    """A line for each sequence of the only evaluation set: `output_per_seq_format` says what is in it."""
    sets, loss = evaluation_sets(config), config.get("loss_name")
    if len(sets) != 1 or not loss:
        raise ConfigError(
            "scores of single sequences need one evaluation set and 'loss_name'", ways=["loss_name = 'output'"]
        )
    wanted = config.get("output_per_seq_format") or ("score",)
    wanted = wanted.split(",") if isinstance(wanted, str) else list(wanted)
    makers: dict[str, Callable[[Any], str]] = {
        "seq_tag": lambda s: s["tag"],
        "score": lambda s: str(s["score"]),
        "error": lambda s: str(s["error"]),
        "seq_len": lambda s: str(s["frames"]),
        "num_frames": lambda s: str(s["frames"]),
        "pos_score": lambda s: " ".join(map(str, s["each"])),
    }
    for key in wanted:
        if key not in makers:
            raise ConfigError(
                f"output_per_seq_format has {brief(key)}", near=nearest(key, makers), ways=[", ".join(makers)]
            )
    ((_, options),) = sets.items()
    told = sorted(_scored(training, config, options, loss), key=lambda s: s["index"])
    text = "".join(";".join(makers[key](s) for key in wanted) + "\n" for s in told)
    path = Path(config["eval_output_file_per_seq"])
    write_text(path, text)
    training.log.say(lines.scores_per_sequence(str(path)))


def _scored(training: Training, config: Mapping[str, Any], options: Any, loss: str) -> Iterator[dict[str, Any]]:
    """Score, error and frames of each sequence: each is a batch of its own."""
    feed = Feed.of(options, evaluation_options(config), {**config, "max_seqs": 1}, training.network, training=False)
    sequences = feed.data.epoch(1)
    target = training.network.net.get(loss, {}).get("target") or training.network.default_target
    for batch in feed.batches(1, order=sequences):
        losses, outputs, _ = training.steps.evaluate(training.state, feed.fed(batch), layers=(loss,))
        if loss not in losses:
            raise ConfigError(f"loss_name is {loss!r}", near=nearest(loss, losses), ways=list(losses))
        value, error, factor = losses[loss]
        found: dict[str, Any] = {
            "tag": batch.tags[0],
            "index": sequences.indices[batch.indices[0]],
            "score": None if value is None else np.float32(value * factor),
            "error": None if error is None else np.float32(error * factor),
            "frames": int(batch.lengths[target][0]),
        }
        (output,) = rows(outputs[loss])
        labels = batch.arrays[target][0][: len(output)]
        if output.ndim == 2 and len(labels) == len(output):
            found["each"] = -np.log(output[np.arange(len(labels)), labels].astype(np.float32))
        yield found


def forward(config: Mapping[str, Any], log: Log | None, watch: Watch | None) -> None:
    """The outputs of `forward_output_layer` for `forward_data`, written to `output_file` as HDF."""
    path = _output_file(config)
    training = Training(config, log, watch)
    training.load_epoch()
    layer = config.get("forward_output_layer") or "output"
    data = named(config, config.get("forward_data") or config.get("eval"))
    found = list(_forwarded(training, config, layer, data, evaluation_options(config)))
    size = found[0][1].shape[-1] if found[0][1].ndim > 1 else 1
    count = write_hdf(path, found, size)
    training.log.say(lines.forward_file(str(path)))
    training.log.say(f"{count} sequences", 4)


def _output_file(config: Mapping[str, Any]) -> Path:
    if not config.get("output_file"):
        raise ConfigError("'output_file' is not set", ways=["++output_file out.hdf"])
    return Path(config["output_file"])


def _forwarded(
    training: Training, config: Mapping[str, Any], layer: str, options: Any, defaults: Mapping[str, Any]
) -> Iterator[tuple[str, np.ndarray]]:
    if options is None:
        raise ConfigError("there are no data to forward", ways=["eval = {…}", "forward_data = 'dev'"])
    plain = {k: v for k, v in config.items() if k not in ("max_seq_length", "min_seq_length")}
    feed = Feed.of(options, defaults, plain, training.network, training=False)
    for batch in feed.batches(1):
        _, outputs, _ = training.steps.evaluate(training.state, feed.fed(batch), layers=(layer,), losses=False)
        yield from zip(batch.tags, rows(outputs[layer]), strict=True)


def search(config: Mapping[str, Any], log: Log | None, watch: Watch | None) -> None:
    """The hypotheses of `search_output_layer` for `search_data`, written to `search_output_file`."""
    searching.search(Training(config, log, watch), config)


def compute_priors(config: Mapping[str, Any], log: Log | None, watch: Watch | None) -> None:
    """The logarithm of the mean of the output layer's probabilities over the training data, as text."""
    path = _output_file(config)
    training = Training(config, log, watch)
    training.load_epoch()
    layer = config.get("forward_output_layer") or "output"
    options = {**training_options(config), "chunking": None}
    total, count = np.zeros(()), 0
    for _, array in _forwarded(training, config, layer, named(config, config.get("train")), options):
        total, count = total + array.sum(axis=0, dtype=np.float64), count + len(array)
    prior = np.log(total / max(count, 1))
    write_text(path, "".join(f"{value:.18e}\n" for value in prior))


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
    "initialize_model": initialize_model,
    "cleanup_old_models": cleanup_old_models,
    "nop": nothing,
}
