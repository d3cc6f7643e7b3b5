"""The tasks forward and compute_priors: outputs of a layer for a data set, to a file, and their mean."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tenure.network.graph import Flags
from tenure.network.tensor import Tensor
from tenure.training.batching.arrays import Padded
from tenure.training.batching.frames import Frames
from tenure.training.data.base import Stream
from tenure.training.data.writing import HdfWriter
from tenure.training.engine import log_lines
from tenure.training.engine.dumping import Dumps
from tenure.training.engine.feeding import Feed, check_not_empty
from tenure.training.engine.in_flight import batches_in_flight, computed
from tenure.training.engine.log import Log
from tenure.training.engine.model import check_available
from tenure.training.engine.outputs import hypothesis, rows
from tenure.training.engine.programs import Ready
from tenure.training.engine.settings import evaluation_options, evaluation_set, named, training_options
from tenure.training.engine.training import Training, Watch
from tenure.training.errors import ConfigError
from tenure.training.files import write_text

_FLAGS = Flags(False, False, False)


def forward(config: Mapping[str, Any], log: Log | None, watch: Watch | None) -> None:
    """The outputs of `forward_output_layer` for `forward_data`, written to `output_file` as HDF.

    Raises:
      ConfigError: there are no data, or the file is there already.
    """
    force = bool(config.get("forward_override_hdf_output"))
    _check_new(Path(config.get("output_file") or ""), force)
    training = Training(config, log, watch)
    epoch = training.load_epoch()
    path = Path(config.get("output_file") or f"dump-fwd-epoch-{epoch}.hdf")
    _check_new(path, force)
    layer = config.get("forward_output_layer") or "output"
    data = named(config, config.get("forward_data")) or evaluation_set(config, "eval")
    training.log.say(log_lines.forward_file(str(path)))
    flags = replace(_FLAGS, search=bool(config.get("forward_use_search")))
    feed = _feed(training, config, data, evaluation_options(config), flags, apart=True)
    began, count = time.monotonic(), 0
    with contextlib.ExitStack() as files:
        dumps = files.enter_context(Dumps(training.network, flags, training.log))
        dumps.begin("forward", epoch)
        writer: HdfWriter | None = None
        for tags, output in _forwarded(training, feed, layer, flags, epoch, dumps):
            count += 1
            for tag, array in zip(tags, rows(output), strict=True):
                if writer is None:
                    of = Stream.like(array, _size(output, array))  # whole numbers need not be labels
                    stream = replace(of, sparse=output.sparse_dim is not None)
                    writer = files.enter_context(HdfWriter(path, {"data": stream}, force=force))
                writer.add(tag, {"data": array})
        check_not_empty(0 if writer is None else writer.sequences, "the data set to forward")
    training.log.say(log_lines.finished(epoch, "forward", count, time.monotonic() - began, 1.0))
    training.log.say(f"{writer.sequences if writer is not None else 0} sequences", 4)


def _size(output: Tensor, array: np.ndarray) -> int:
    if output.sparse_dim is not None and output.sparse_dim.size is not None:
        return output.sparse_dim.size
    return array.shape[-1] if array.ndim > 1 else 1


def _check_new(path: Path, force: bool) -> None:
    if path.is_file() and not force:
        raise ConfigError(
            f"the output_file '{path}' is there already", ways=["forward_override_hdf_output = True", "another file"]
        )


def _output_file(config: Mapping[str, Any]) -> Path:
    if not config.get("output_file"):
        raise ConfigError("'output_file' is not set", ways=["++output_file priors.txt"])
    return Path(config["output_file"])


def _feed(
    training: Training, config: Mapping[str, Any], options: Any, defaults: Mapping[str, Any], flags: Flags, apart: bool
) -> Feed:
    """The batches of a data set that is forwarded.

    Raises:
      ConfigError: there is none.
    """
    if options is None:
        raise ConfigError("there are no data to forward", ways=["eval = {…}", "forward_data = 'dev'"])
    return Feed.of(options, defaults, config, training.network, training=False, flags=flags, apart=apart)


def _forwarded(
    training: Training, feed: Feed, layer: str, flags: Flags = _FLAGS, epoch: int = 1, dumps: Dumps | None = None
) -> Iterator[tuple[Sequence[str], Tensor]]:
    """The tags and the outputs of a layer, batch by batch."""
    check_available(training.network, (layer,), flags)
    wanted = (layer, *(dumps.layers if dumps is not None else ()))

    def step(number: int, batch: Padded) -> Ready:
        if flags.search:
            key = jax.random.fold_in(training.key, number)
            return training.steps.search(training.state, feed.fed(batch), wanted, key, losses=False)
        return training.steps.evaluation(training.state, feed.fed(batch), layers=wanted, losses=False)

    at_once = batches_in_flight(training.config, training.steps.mesh)
    for batch, found in computed(feed.batches(epoch), step, at_once):
        outputs = found.outputs if flags.search else found[1]
        if dumps is not None:
            dumps.take(batch.tags, outputs)
        yield batch.tags, _of_sequences(layer, outputs[layer])


def _of_sequences(layer: str, output: Tensor) -> Tensor:
    """An output with one value for each sequence.

    Raises:
      ConfigError: it has one for each of several hypotheses.
    """
    if output.beam_dim is None:
        return output
    axis = output.axis(output.beam_dim)
    if output.shape[axis] > 1:
        raise ConfigError(
            f"forward_output_layer is {layer!r}, which has {output.shape[axis]} hypotheses for each sequence in a search",
            ways=["name a layer of the class 'decide', which takes the best one", "beam_size 1", "the task search"],
        )
    return hypothesis(output, axis, 0)


def compute_priors(config: Mapping[str, Any], log: Log | None, watch: Watch | None) -> None:
    """The logarithm of the mean of the output layer's probabilities over the training data, as text.

    Sequences are cut into chunks and long ones are left out, as in training.
    """
    path = _output_file(config)
    training = Training(config, log, watch)
    epoch = training.load_epoch()
    began, steps = time.monotonic(), 0
    layer = config.get("forward_output_layer") or "output"
    feed = _feed(training, config, named(config, config.get("train")), training_options(config), _FLAGS, apart=False)
    most = config.get("max_seq_length")
    if isinstance(most, int | float) and most > 0:
        feed = replace(feed, limits=replace(feed.limits, max_seq_length=Frames(rest=most)))
    total, count = np.zeros(()), 0
    for _, output in _forwarded(training, feed, layer):
        steps += 1
        for array in rows(output):
            total, count = total + _summed(array, output), count + len(array)
    training.log.say(log_lines.finished(epoch, "forward", steps, time.monotonic() - began, 1.0))
    check_not_empty(count, "the data set 'train'")
    with np.errstate(divide="ignore"):  # a label that never occurs
        prior = np.log(total / count)
    write_text(path, "".join(f"{value:.18e}\n" for value in prior))


def _summed(frames: np.ndarray, output: Tensor) -> np.ndarray:
    """The sum of a sequence's probabilities; labels count as a probability of 1, as in RETURNN."""
    if output.sparse_dim is None:
        return np.asarray(frames.sum(axis=0, dtype=np.float64))
    return np.bincount(frames, minlength=output.sparse_dim.size or 0).astype(np.float64)
