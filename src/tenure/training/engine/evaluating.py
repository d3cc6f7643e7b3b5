"""The tasks eval and analyze: scores of data sets, of single sequences, and statistics of frames."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tenure.core.errors import brief, nearest
from tenure.network.graph import Flags, Graph
from tenure.network.losses.registry import loss_class, loss_name, without_prefix
from tenure.network.tensor import Tensor
from tenure.training.batching.arrays import Padded
from tenure.training.engine import log_lines
from tenure.training.engine.dumping import Dumps
from tenure.training.engine.feeding import Feed
from tenure.training.engine.in_flight import batches_in_flight, computed
from tenure.training.engine.log import Log
from tenure.training.engine.outputs import rows, shown
from tenure.training.engine.programs import Ready
from tenure.training.engine.scores import Scores
from tenure.training.engine.settings import evaluation_options, evaluation_sets, named
from tenure.training.engine.training import Training, Watch
from tenure.training.errors import ConfigError
from tenure.training.files import write_text

_LAYER = "analyze_"  # begins the names of layers with statistics
_ENDINGS = ("", "_sil", "_no_sil")
_PER_SEQUENCE = ("seq_tag", "seq_len", "num_frames", "score", "error", "pos_score", "pos_error")
_STATISTICS = ("loss_ce", "frame_error", "true_label_prob_histogram")  # of the layer framewise_statistics


def evaluate(config: Mapping[str, Any], log: Log | None, watch: Watch | None) -> None:
    """The scores of all evaluation sets; `eval_output_file` and `eval_output_file_per_seq` take them."""
    training = Training(config, log, watch)
    epoch, per_sequence = training.load_epoch(), config.get("eval_output_file_per_seq")
    found: dict[str, Scores] = {}
    if per_sequence:
        found = _each_sequence(training, config, epoch)
    else:
        with Dumps(training.network, Flags(False, True, False), training.log) as dumps:
            for name, options in evaluation_sets(config).items():
                found[name] = training.evaluated(epoch, name, options, dumps.begin(name, epoch))
    training.log.say(log_lines.evaluation_scores({name: scores.shown() for name, scores in found.items()}), 1)
    if config.get("eval_output_file"):
        file = {
            name: {
                "error": {f"error:{k}": v for k, v in scores.errors().items()},
                "score": {f"cost:{k}": v for k, v in scores.scores().items()},
            }
            for name, scores in found.items()
        }
        write_text(Path(config["eval_output_file"]), shown(file) + "\n")
    if per_sequence:
        training.log.say(log_lines.scores_per_sequence(str(per_sequence)))


def _each_sequence(training: Training, config: Mapping[str, Any], epoch: int) -> dict[str, Scores]:
    """Writes an entry for each sequence of the only evaluation set, in the data set's order; `output_per_seq_format` says what is in it.

    Returns:
      The scores of the whole data set by its name.
    """
    sets, loss = evaluation_sets(config), config.get("loss_name")
    if len(sets) != 1 or not loss:
        raise ConfigError(
            "scores of single sequences need one evaluation set and 'loss_name'", ways=["loss_name = 'output'"]
        )
    wanted, form = config.get("output_per_seq_format") or "score", config.get("output_per_seq_file_format")
    wanted = [name.strip() for name in wanted.split(",")] if isinstance(wanted, str) else wanted
    if not isinstance(wanted, list | tuple):
        raise ConfigError(f"output_per_seq_format is {brief(wanted)}", ways=['["seq_tag", "score"]'])
    for key in wanted:
        if key not in _PER_SEQUENCE:
            raise ConfigError(
                f"output_per_seq_format has {brief(key)}",
                near=nearest(key, _PER_SEQUENCE),
                ways=[", ".join(_PER_SEQUENCE)],
            )
    if form not in (None, "txt", "py"):
        raise ConfigError(f"output_per_seq_file_format is {brief(form)}", ways=["txt or py"])
    ((name, options),) = sets.items()
    single = {**config, "max_seqs": 1}
    feed = Feed.of(options, evaluation_options(config), single, training.network, training=False, apart=True)
    scores, told, began = Scores(), [], time.monotonic()
    sequences, aligned = feed.data.epoch(epoch), _is_aligned(training.network.graph(Flags(False, True, False)), loss)

    def step(number: int, batch: Padded) -> Ready:
        return training.steps.each_frame(training.state, feed.fed(batch), loss)

    at_once = batches_in_flight(config, training.steps.mesh)
    for batch, (losses, frames, output) in computed(feed.batches(epoch, order=sequences), step, at_once):
        if loss not in losses:
            raise ConfigError(f"loss_name is {loss!r}", near=nearest(loss, losses), ways=list(losses))
        scores.add(jax.device_get(losses))
        values = _of_sequence(losses[loss], frames[loss], len(rows(output)[0]), aligned)
        values["seq_tag"] = batch.tags[0]
        for key in wanted:
            if key not in values:
                raise ConfigError(
                    f"the loss {loss!r} has no {key!r}", ways=["output_per_seq_format: " + ", ".join(values)]
                )
        told.append((sequences.indices[batch.indices[0]], batch.tags[0], [values[key] for key in wanted]))
    took = time.monotonic() - began
    training.log.say(log_lines.finished(epoch, name, len(told), took, 1.0, training.is_pretraining(epoch)))
    entries = [(tag, values) for _, tag, values in sorted(told, key=lambda entry: entry[0])]
    write_text(Path(config["eval_output_file_per_seq"]), _rendered(wanted, entries, form or "txt"))
    return {name: scores}


def _is_aligned(graph: Graph, loss: str) -> bool:
    """Whether a loss is one of frames, and not of whole sequences; it may be inside of a loop."""
    nodes = {loss_name(node): node for node in graph.nodes.values() if node.get("loss")}
    told = {short: nodes[name] for name, short in without_prefix(nodes).items()}
    if loss in told:
        return loss_class(told[loss]).aligned
    return any(_is_aligned(branch, loss) for node in graph.nodes.values() for branch in node.branches.values())


def _of_sequence(loss: Any, frames: tuple[Any, Any], length: int, aligned: bool) -> dict[str, Any]:
    """What can be told of a sequence: means over its frames, or what a loss of whole sequences gives, and the values of the frames."""
    found: dict[str, Any] = {"seq_len": np.int32(length), "num_frames": np.int32(length)}
    for name, value, each in zip(("score", "error"), loss, frames, strict=False):
        if each is not None:
            each = np.asarray(each[0, :length], np.float32)
            found[name], found[f"pos_{name}"] = each.sum(dtype=np.float32) / np.float32(length), each
        elif value is not None:
            found[name] = np.float32(value * loss[2] if aligned else value)
    return found


def _rendered(names: Sequence[str], entries: Sequence[tuple[str, Sequence[Any]]], form: str) -> str:
    """The text of the file.

    >>> _rendered(["score", "pos_error"], [("a", [np.float32(0.5), np.ones(2)])], "txt")
    '0.5;1.0 1.0\\n'
    """
    if form == "py":
        with np.printoptions(threshold=sys.maxsize):
            pairs = [", ".join(f"{n!r}: {v!r}" for n, v in zip(names, values, strict=True)) for _, values in entries]
        lines = [f"{tag!r}: {{{of}}},\n" for (tag, _), of in zip(entries, pairs, strict=True)]
        return "{\n" + "".join(lines) + "}\n"
    shown = [[" ".join(map(str, v)) if isinstance(v, np.ndarray) else str(v) for v in of] for _, of in entries]
    return "".join(";".join(values) + "\n" for values in shown)


def analyze(config: Mapping[str, Any], log: Log | None, watch: Watch | None) -> None:
    """Scores of the data set `eval`, or else `dev`, and the statistics of a layer `framewise_statistics`.

    A network that has no such layer, called "analyze", gets one on its output if `sil_label_idx` is set.

    Raises:
      ConfigError: there are no data.
    """
    config = {**config, "network": _with_statistics(config)} if config.get("network") else config
    training = Training(config, log, watch)
    epoch = training.load_epoch()
    options = named(config, config.get("eval") or config.get("dev"))
    if options is None:
        raise ConfigError("there are no data to analyze", ways=["eval = {…}", "dev = {…}"])
    statistics = _Statistics(training)
    scores = training.evaluated(epoch, "analyze", options, statistics)
    training.log.say(log_lines.evaluation_scores({"analyze": scores.shown()}), 1)
    for name, value in statistics.means().items():
        training.log.say(f"stats:{name}: {value}", 1)


def _with_statistics(config: Mapping[str, Any]) -> Any:
    """The network with a layer "analyze" if it can have one, and with a layer for each of its statistics."""
    net = dict(config["network"])
    if "analyze" not in net and config.get("sil_label_idx") is not None:
        net["analyze"] = {
            "class": "framewise_statistics",
            "from": "output",
            "sil_label_idx": int(config["sil_label_idx"]),
        }
    if not isinstance(net.get("analyze"), Mapping) or net["analyze"].get("class") != "framewise_statistics":
        return net
    names = [name + ending for name in (*_STATISTICS, "seq_length") for ending in _ENDINGS]
    copies = {_LAYER + n: {"class": "copy", "from": f"analyze/batch_{n}", "is_output_layer": True} for n in names}
    return {**net, **copies}


class _Statistics:
    """The means of what a layer `framewise_statistics` computes, over all frames."""

    def __init__(self, training: Training):
        self.layers = tuple(name for name in training.network.net if name.startswith(_LAYER))
        self._sums: dict[str, Any] = {}
        self._frames: dict[str, int] = {}

    def take(self, tags: Any, outputs: Mapping[str, Tensor]) -> None:
        """Takes the statistics of a batch."""
        for ending in _ENDINGS if self.layers else ():
            frames = int(outputs[f"{_LAYER}seq_length{ending}"].data)
            self._frames[ending] = self._frames.get(ending, 0) + frames
            for name in _STATISTICS if frames else ():
                value = np.asarray(outputs[_LAYER + name + ending].data, np.float64) * frames
                self._sums[name + ending] = self._sums.get(name + ending, 0.0) + value

    def means(self) -> dict[str, Any]:
        """Name → mean over the frames, and how many frames there were."""
        found: dict[str, Any] = {f"seq_length{ending}": n for ending, n in self._frames.items()}
        for name, total in self._sums.items():
            ending = next(e for e in ("_no_sil", "_sil", "") if name.endswith(e))
            mean = total / self._frames[ending]
            found[name] = mean.tolist()
            if name.startswith("loss_ce"):
                found[f"loss_perplexity{ending}"] = float(np.exp(mean))
        return found
