"""The tasks eval and analyze: scores of data sets, of single sequences, and statistics of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tenure.core.errors import brief, nearest
from tenure.network.graph import Flags
from tenure.network.tensor import Tensor
from tenure.training.engine import log_lines
from tenure.training.engine.dumping import Dumps
from tenure.training.engine.feeding import Feed
from tenure.training.engine.log import Log
from tenure.training.engine.outputs import Numbers, dictionary, rows
from tenure.training.engine.settings import evaluation_options, evaluation_sets, named
from tenure.training.engine.training import Training, Watch
from tenure.training.errors import ConfigError
from tenure.training.files import write_text

_LAYER = "analyze_"  # begins the names of layers with statistics
_ENDINGS = ("", "_sil", "_no_sil")
_STATISTICS = ("loss_ce", "frame_error", "true_label_prob_histogram")  # of the layer framewise_statistics


def evaluate(config: Mapping[str, Any], log: Log | None, watch: Watch | None) -> None:
    """The scores of all evaluation sets; `eval_output_file` and `eval_output_file_per_seq` take them."""
    training = Training(config, log, watch)
    epoch = training.load_epoch()
    if config.get("eval_output_file_per_seq"):
        return _each_sequence(training, config)
    found, file = {}, {}
    with Dumps(training.network, Flags(False, True, False), training.log) as dumps:
        for name, options in evaluation_sets(config).items():
            scores = training.evaluated(epoch, name, options, dumps.begin(name, epoch))
            found[name] = scores.shown()
            file[name] = {
                "error": Numbers({f"error:{k}": v for k, v in scores.errors().items()}),
                "score": Numbers({f"cost:{k}": v for k, v in scores.scores().items()}),
            }
    training.log.say(log_lines.evaluation_scores(found), 1)
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
    training.log.say(log_lines.scores_per_sequence(str(path)))


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
