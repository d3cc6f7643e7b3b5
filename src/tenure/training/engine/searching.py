"""The task search: the hypotheses of a network for a data set, as text."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tenure.core.errors import brief
from tenure.network.result import Result
from tenure.network.tensor import Tensor
from tenure.training.engine import lines
from tenure.training.engine.feeding import Feed
from tenure.training.engine.outputs import dictionary, rows
from tenure.training.engine.scores import Scores
from tenure.training.engine.settings import named
from tenure.training.engine.training import Training
from tenure.training.errors import ConfigError
from tenure.training.files import write_text

FORMATS = ("txt", "py")
Found = str | list[tuple[np.float32, str]]  # the text of a sequence, or of all its hypotheses with their scores


def search(training: Training, config: Mapping[str, Any]) -> dict[str, Found]:
    """Searches, and writes `search_output_file`; returns the hypotheses by tag, in the data set's order.

    Raises:
      ConfigError: there are no data, or the file's format is not known.
    """
    form = config.get("search_output_file_format") or "txt"
    if form not in FORMATS:
        raise ConfigError(f"search_output_file_format is {brief(form)}", ways=[" or ".join(FORMATS)])
    options = named(config, config.get("search_data") or config.get("eval"))
    if options is None:
        raise ConfigError("there are no data to search on", ways=["search_data = 'config:dev'"])
    epoch, layer = training.load_epoch(), config.get("search_output_layer") or "output"
    # the longest first: then the batches that need most memory come first
    feed = Feed.of(
        {**options, "seq_ordering": "sorted_reverse"} if isinstance(options, Mapping) else options,
        *({}, config, training.network),
        training=False,
    )
    began, scores, count, found = time.monotonic(), Scores(), 0, {}
    sequences = feed.data.epoch(1)
    for batch in feed.batches(1, order=sequences):
        key = jax.random.fold_in(training.key, count)
        result = training.steps.searched(training.state, feed.fed(batch), (layer,), key)
        scores.add({n: (v.loss, v.error, v.norm_factor) for n, v in result.losses.items()})
        for index, tag, text in zip(
            batch.indices, batch.tags, texts(result, layer, labels_of(training, feed, layer)), strict=True
        ):
            training.log.say(lines.searched(index, tag, layer, text), 4)
            found[int(sequences.indices[index])] = (tag, text)
        count += 1
    training.log.say(lines.finished(epoch, "search", count, time.monotonic() - began, 1.0))
    score, error = scores.shown()
    training.log.say(lines.search_done(count, score, error), 1)
    ordered = dict(found[index] for index in sorted(found))
    if config.get("search_output_file"):
        write_text(Path(config["search_output_file"]), rendered(ordered, form))
    return ordered


def texts(result: Result, layer: str, labels: Sequence[str] | None) -> list[Found]:
    """The text of each sequence of a batch; where the layer still has a beam, of all hypotheses, the best first."""
    output = result.outputs[layer]
    if output.beam_dim is None:
        return [text(row, labels) for row in rows(output)]
    values = np.asarray(result.scores[layer].data)  # [beam, batch]
    beam = next(i for i, d in enumerate(output.dims) if d.is_beam)
    each = [[text(row, labels) for row in rows(_at(output, beam, k))] for k in range(len(values))]
    return [[(np.float32(values[k, b]), each[k][b]) for k in range(len(values))] for b in range(values.shape[1])]


def _at(output: Tensor, axis: int, index: int) -> Tensor:
    """One hypothesis of each sequence."""
    lengths = {}
    for dim, n in output.lengths.items():
        own = next((i for i, d in enumerate(n.dims) if d.is_beam), None)
        lengths[dim] = n if own is None else _without(n, own, index)
    return dataclasses.replace(_without(output, axis, index), lengths=lengths)


def _without(x: Tensor, axis: int, index: int) -> Tensor:
    dims = tuple(d for i, d in enumerate(x.dims) if i != axis)
    return Tensor(np.take(np.asarray(x.data), index, axis), dims, x.sparse_dim)


def text(row: np.ndarray, labels: Sequence[str] | None) -> str:
    """Labels as a text.

    >>> text(np.array([1, 0]), ["a", "b"]), text(np.array([1, 0]), None)
    ('b a', '1 0')
    """
    return " ".join(str(int(i)) if labels is None else labels[int(i)] for i in np.ravel(row))


def labels_of(training: Training, feed: Feed, layer: str) -> Sequence[str] | None:
    """The labels of a layer's output: those of its target in the data."""
    options = training.network.net.get(layer)
    target = options.get("target") if isinstance(options, Mapping) else None
    stream = feed.data.streams.get(target or training.network.default_target)
    return stream.labels if stream is not None and stream.labels else None


def rendered(found: Mapping[str, Found], form: str) -> str:
    """The text of the file.

    >>> rendered({"a": "x y", "b": "z"}, "txt"), rendered({"a": "x"}, "py")
    ('x y\\nz\\n', "{\\n'a': 'x',\\n}\\n")
    """
    if form == "py":
        return dictionary(found) + "\n"
    return "".join(f"{best(value)}\n" for value in found.values())


def best(value: Found) -> str:
    """The text of the best hypothesis.

    >>> best([(np.float32(-1), "a"), (np.float32(-0.5), "b")])
    'b'
    """
    return value if isinstance(value, str) else max(value)[1]
