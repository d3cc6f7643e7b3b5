"""The task search: the hypotheses of a network for a data set, as text."""

from __future__ import annotations

import dataclasses
import gzip
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tenure.core.errors import brief
from tenure.network.graph import Flags
from tenure.network.result import Result
from tenure.network.tensor import Tensor
from tenure.training.batching.arrays import Padded
from tenure.training.engine import log_lines, text_scores
from tenure.training.engine.dumping import Dumps
from tenure.training.engine.feeding import Feed
from tenure.training.engine.in_flight import batches_in_flight, computed
from tenure.training.engine.outputs import hypothesis, rows, shown
from tenure.training.engine.programs import Ready
from tenure.training.engine.scores import Scores
from tenure.training.engine.settings import named
from tenure.training.engine.training import Training
from tenure.training.errors import ConfigError
from tenure.training.files import write_bytes, write_text

FORMATS = ("txt", "py")
Text = str | list[tuple[np.float32, str]]  # of a sequence, or of all its hypotheses with their scores
Found = Text | dict[str, Text]  # of one layer, or of several by their names


def search(training: Training, config: Mapping[str, Any]) -> dict[str, Found]:
    """Searches, and writes `search_output_file`; returns the hypotheses by tag, in the data set's order.

    Raises:
      ConfigError: there are no data, or the file's format is not known.
    """
    form, given = config.get("search_output_file_format") or "txt", config.get("search_output_layer") or "output"
    if form not in FORMATS:
        raise ConfigError(f"search_output_file_format is {brief(form)}", ways=[" or ".join(FORMATS)])
    several = isinstance(given, list | tuple)
    layers = tuple(given) if several else (given,)
    if several and form != "py":
        raise ConfigError(
            f"several layers ({brief(given)}) need the format py", ways=["++search_output_file_format py"]
        )
    options = named(config, config.get("search_data") or config.get("eval"))
    if options is None:
        raise ConfigError("there are no data to search on", ways=["search_data = 'config:dev'"])
    epoch = training.load_epoch()
    compare = bool(config.get("search_do_eval", True))
    flags = Flags(False, compare, True)
    # the longest first: then the batches that need most memory come first
    feed = Feed.of(
        {**options, "seq_ordering": "sorted_reverse"} if isinstance(options, Mapping) else options,
        *({}, config, training.network),
        training=False,
        flags=flags,
        apart=True,
    )
    began, scores, count, found = time.monotonic(), Scores(), 0, {}
    sequences, labels = feed.data.epoch(epoch), {layer: labels_of(training, feed, layer) for layer in layers}
    with Dumps(training.network, flags, training.log) as dumps:
        dumps.begin("search", epoch)
        wanted = (*layers, *dumps.layers)

        def step(number: int, batch: Padded) -> Ready:
            key = jax.random.fold_in(training.key, number)
            return training.steps.search(training.state, feed.fed(batch), wanted, key, losses=compare)

        at_once = batches_in_flight(config, training.steps.mesh)
        for batch, result in computed(feed.batches(epoch, order=sequences), step, at_once):
            dumps.take(batch.tags, result.outputs)
            scores.add({n: (v.loss, v.error, v.norm_factor) for n, v in result.losses.items()})
            told = {layer: _of_batch(training, batch, result, layer, labels[layer], compare) for layer in layers}
            for row, (index, tag) in enumerate(zip(batch.indices, batch.tags, strict=True)):
                for layer, of in told.items():
                    text, reference = of[row]
                    training.log.say(log_lines.searched(index, tag, layer, text), 4)
                    _say_hypotheses(training, text, reference)
                found[int(sequences.indices[index])] = (tag, {layer: of[row] for layer, of in told.items()})
            count += 1
    training.log.say(log_lines.finished(epoch, "search", count, time.monotonic() - began, 1.0))
    score, error = scores.shown()
    training.log.say(log_lines.search_done(count, score, error), 1)
    first = layers[0]
    ordered = [(tag, *of[first]) for _, (tag, of) in sorted(found.items())]
    by_tag: dict[str, Found] = {tag: text for tag, text, _ in ordered}
    if several:
        by_tag = {tag: {layer: text for layer, (text, _) in of.items()} for _, (tag, of) in sorted(found.items())}
    if config.get("search_output_file"):
        _write(Path(config["search_output_file"]), rendered(by_tag, form))
    if config.get("search_scores", True):
        good = _scored([(text, r) for _, text, r in ordered if r is not None], labels[first])
        training.watch("searched", {"epoch": epoch, "found": ordered, "scores": good, "training": training})
        _say_scores(training, config, good)
    return by_tag


def _of_batch(
    training: Training, batch: Padded, result: Result, layer: str, labels: Sequence[str] | None, compare: bool
) -> list[tuple[Text, str | None]]:
    """What a layer has found for each sequence, and what it should find if that is known."""
    _check_labels(layer, result.outputs[layer])
    right: Sequence[str | None] | None = references(training, batch, layer, labels) if compare else None
    return list(zip(texts(result, layer, labels), right or [None] * len(batch.tags), strict=True))


def _write(path: Path, text: str) -> None:
    write_bytes(path, gzip.compress(text.encode())) if path.suffix == ".gz" else write_text(path, text)


def _check_labels(layer: str, output: Tensor) -> None:
    if output.data.dtype.kind not in "iub":
        raise ConfigError(
            f"search_output_layer is {layer!r}, which gives {output}, and no labels",
            ways=[
                "the layer of a 'choice', or one of the class 'decide'",
                "for CTC: layers that take the best label of each frame, as in the config of `tenure new asr`",
                "task = 'forward' writes any layer to HDF",
            ],
        )


def _say_hypotheses(training: Training, found: Text, reference: str | None) -> None:
    if reference is not None:
        training.log.say(log_lines.reference(reference), 4)
    if isinstance(found, str):
        training.log.say(log_lines.hypothesis(found), 4)
    else:
        for number, (score, text) in enumerate(found):
            training.log.say(log_lines.hypothesis(text, number, float(score)), 4)


def _scored(compared: Sequence[tuple[Text, str]], labels: Sequence[str] | None) -> text_scores.TextScores | None:
    if not compared:
        return None
    pairs = [(text_scores.words(right, labels), text_scores.words(best(found), labels)) for found, right in compared]
    return text_scores.scores([right for right, _ in pairs], [found for _, found in pairs])


def _say_scores(training: Training, config: Mapping[str, Any], told: text_scores.TextScores | None) -> None:
    if told is None:
        return
    training.log.say(log_lines.text_scores(told), 1)
    if config.get("search_scores_file"):
        content = json.dumps(dataclasses.asdict(told), indent=1)
        write_text(Path(config["search_scores_file"]), content + "\n")


def references(training: Training, batch: Padded, layer: str, labels: Sequence[str] | None) -> Sequence[str] | None:
    """The texts of a batch that a layer should find; None where its target is no stream of labels in the data.

    Args:
      training: with the network.
      batch: of the data.
      layer: whose target it is.
      labels: of the target.
    """
    target = target_of(training, layer)
    array, lengths = batch.arrays.get(target), batch.lengths.get(target)
    if array is None or lengths is None or array.dtype.kind not in "iu" or array.ndim != 2:
        return None
    count = len(batch.tags)  # further rows only fill the shape up
    return [text(row[:n], labels) for row, n in zip(array[:count], lengths[:count], strict=True)]


def texts(result: Result, layer: str, labels: Sequence[str] | None) -> list[Text]:
    """The text of each sequence of a batch; where the layer still has a beam, of all hypotheses, the best first."""
    output = result.outputs[layer]
    if output.beam_dim is None:
        return [text(row, labels) for row in rows(output)]
    values = np.asarray(result.scores[layer].data)  # [beam, batch]
    beam = next(i for i, d in enumerate(output.dims) if d.is_beam)
    each = [[text(row, labels) for row in rows(hypothesis(output, beam, k))] for k in range(len(values))]
    return [[(np.float32(values[k, b]), each[k][b]) for k in range(len(values))] for b in range(values.shape[1])]


def text(row: np.ndarray, labels: Sequence[str] | None) -> str:
    """Labels as a text.

    >>> text(np.array([1, 0]), ["a", "b"]), text(np.array([1, 0]), None)
    ('b a', '1 0')
    """
    return " ".join(str(int(i)) if labels is None else labels[int(i)] for i in np.ravel(row))


def labels_of(training: Training, feed: Feed, layer: str) -> Sequence[str] | None:
    """The labels of a layer's output: those of its target in the data."""
    stream = feed.data.streams.get(target_of(training, layer))
    return stream.labels if stream is not None and stream.labels else None


def target_of(training: Training, layer: str) -> str:
    """The name of the stream that a layer should find."""
    options = training.network.net.get(layer)
    target = options.get("target") if isinstance(options, Mapping) else None
    return target or training.network.default_target


def rendered(found: Mapping[str, Found], form: str) -> str:
    """The text of the file.

    >>> rendered({"a": "x y", "b": "z"}, "txt"), rendered({"a": "x"}, "py")
    ('x y\\nz\\n', "{\\n'a': 'x',\\n}\\n")
    >>> rendered({"a": [(-0.5, "x"), (-1.0, "y")]}, "txt")  # all hypotheses
    "[(-0.5, 'x'), (-1.0, 'y')]\\n"
    """
    if form == "py":
        return "{\n" + "".join(f"{tag!r}: {shown(value)},\n" for tag, value in found.items()) + "}\n"
    return "".join(f"{value}\n" for value in found.values())


def best(value: Text) -> str:
    """The text of the best hypothesis.

    >>> best([(np.float32(-1), "a"), (np.float32(-0.5), "b")])
    'b'
    """
    return value if isinstance(value, str) else max(value)[1]
