"""Training: epochs over data, with learning-rate control, pretraining, checkpoints, and evaluation after each epoch.

Everything that a step depends on is a function of the config, the checkpoint, and (epoch, step): batches are planned from lengths, random
keys are folded from the number of the step. So a training that was stopped anywhere goes on as if it had not been.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np

from tenure.training.batching.arrays import Padded
from tenure.training.data.loading import ahead
from tenure.training.engine import lock, log_lines
from tenure.training.engine.changes import basis
from tenure.training.engine.early_stopping import best_is_old
from tenure.training.engine.feeding import Feed, check_not_empty
from tenure.training.engine.feeds import Feeds
from tenure.training.engine.in_flight import batches_in_flight, computed
from tenure.training.engine.learner import Config, Learner
from tenure.training.engine.log import Log
from tenure.training.engine.model import flat
from tenure.training.engine.models import metadata, to_keep
from tenure.training.engine.nonfinite import nonfinite
from tenure.training.engine.programs import Ready
from tenure.training.engine.scores import Scores, Sum
from tenure.training.engine.settings import (
    epoch_to_go_on_from,
    evaluation_options,
    evaluation_sets,
    named,
    start_epoch,
    training_options,
)
from tenure.training.engine.signals import Signals, Stopped
from tenure.training.engine.step import counted
from tenure.training.engine.trail import followed
from tenure.training.errors import ConfigError
from tenure.training.rates.dynamic import dynamic
from tenure.training.rates.epochs import epoch_to_go_back_to, rate_of_epoch

Watch = Callable[[str, Mapping[str, Any]], None]


class Seen(Protocol):
    """What looks at layers of each batch that is evaluated.

    Attributes:
      layers: their names.
    """

    layers: tuple[str, ...]

    def take(self, tags: Sequence[str], outputs: Mapping[str, Any]) -> None:
        """Takes their outputs."""


@dataclass
class Position:
    """How far a training is.

    Attributes:
      epoch: that is being trained.
      done: steps of it that are done.
      step: steps of the whole training.
    """

    epoch: int
    done: int
    step: int


class Training(Learner):
    """One training.

    Attributes:
      watch: is told of every step and epoch.
      signals: that end it.
    """

    def __init__(self, config: Config, log: Log | None = None, watch: Watch | None = None):
        super().__init__(config, log)
        self.watch = watch or (lambda what, values: None)
        self.signals = Signals()
        self.dynamic = dynamic(config.get("dynamic_learning_rate"))
        self.feeds = Feeds()
        self._resumed = False

    def start(self) -> Position:
        """Where the training begins or goes on, with the network and the values of that place."""
        existing, first = self.models.existing(), start_epoch(self.config)
        if first is not None:
            return self._start_at(first, existing)
        last = max(existing, default=0)
        unfinished = self.models.unfinished
        if not last and (epoch := epoch_to_go_on_from(self.config)):
            self.set_network(epoch)
            return Position(epoch + 1, 0, self.initial(first_epoch=False))
        self.set_network(max(last, 1))
        if last:
            self.log.say(log_lines.load_model(str(existing[last])))
            step = self.load(existing[last])
        else:
            step = self.initial()
        epoch = metadata(unfinished).get("epoch", 0) if unfinished.exists() else 0
        if last < epoch <= last + self._interval:  # the epochs between were trained, and have no checkpoint
            self.set_network(epoch)
            restored = self.restored(unfinished)
            told, exp = restored.metadata, bool(self.config.get("calculate_exp_loss"))
            self._scores = Scores({name: Sum(*values) for name, values in told["scores"].items()}, exp)
            self._told = told
            return Position(epoch, told["done"], restored.step or 0)
        return Position(last + 1, 0, step)

    def _start_at(self, first: int, existing: Mapping[int, Path]) -> Position:
        """The place that `start_epoch` names: after the checkpoint of the epoch before, or at the start, whatever checkpoints there are."""
        self.set_network(max(first - 1, 1))
        if first == 1:
            return Position(1, 0, self.initial())
        if first - 1 not in existing:
            raise ConfigError(
                f"start_epoch is {first}, and there is no checkpoint of epoch {first - 1} under {self.models.prefix}",
                near=[str(path) for path in existing.values()],
                ways=["start_epoch = 'auto'", *(f"start_epoch = {epoch + 1}" for epoch in existing)],
            )
        self.log.say(log_lines.load_model(str(existing[first - 1])))
        return Position(first, 0, self.load(existing[first - 1]))

    @property
    def _interval(self) -> int:
        """Epochs from one checkpoint to the next."""
        return max(int(self.config.get("save_interval") or 1), 1)

    # epochs

    def run(self) -> None:
        """Trains until `num_epochs`.

        Raises:
          TrainingError: another process trains the same model.
        """
        if self.config.get("use_horovod"):
            self._alone()
        with lock.held(self.models.prefix):
            try:
                self._run()
            except BaseException as error:
                self._end_dumps(None if isinstance(error, Stopped) else error)
                raise
            finally:
                self.watch("end", {"training": self})

    def _end_dumps(self, error: BaseException | None = None) -> None:
        """Moves the files of `hdf_dump` into their places; after an error, removes them."""
        if self.dumps is not None:
            self.dumps.end(error)

    def _alone(self) -> None:
        """Says that there are no other processes; refuses where some were started."""
        for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "HOROVOD_SIZE"):
            if os.environ.get(name, "1") != "1":
                raise ConfigError(
                    f"use_horovod: {name} says that {os.environ[name]} processes were started; each would train a model of its own",
                    ways=["start one process", "several devices of one process are the keys 'devices' and 'mesh'"],
                )
        self.log.say("use_horovod: this process trains alone, as there is no Horovod here", 1)

    def _run(self) -> None:
        final = int(self.config.get("num_epochs") or 5)
        with self.signals:
            position = self.start()
            self._resumed = position.done > 0 or (position.epoch > 1 and bool(self.models.existing()))
            if position.epoch > 1 and not position.done:
                self._evaluate_if_missing(position.epoch - 1)
            stopped = best_is_old(self.config, self.rates, position.epoch - 1)
            if position.epoch <= final and not stopped:
                self.log.say(log_lines.start_training(position.epoch))
            elif not stopped:
                self.log.say(log_lines.nothing_to_train(position.epoch, final))
            while position.epoch <= final and not stopped:
                self._epoch(position, final)
                stopped = best_is_old(self.config, self.rates, position.epoch)
                position = Position(position.epoch + 1, 0, position.step)
        last = position.epoch - 1
        if stopped:
            self.log.say(log_lines.stopped_early(last))
        self.log.say(log_lines.finished_training(last if stopped else max(final, last)))

    def _epoch(self, position: Position, final: int) -> None:
        epoch, pretraining = position.epoch, self.is_pretraining(position.epoch)
        self.set_network(epoch)
        config = self.config_of(epoch)
        for name, options in evaluation_sets(config).items():  # what is missing is told before the epoch is trained
            self._evaluation_feed(config, name, options)
        back = epoch_to_go_back_to(epoch, self.rates, self.config, self.pretraining)
        if back is not None and not position.done and back in self.models.existing():
            self.load(self.models.existing()[back])
        overrides = self.network_of(epoch).get("#config") or {}
        rate = rate_of_epoch(epoch, self.rates, self.config, self.pretraining, overrides)
        self.log.say(log_lines.start_epoch(epoch, rate, pretraining))
        trains = self.network_of(epoch).get("#trainable", True)
        began, first = time.monotonic(), position.step - (position.done if trains else 0)
        self.log.say(log_lines.using_batch(config.get("batch_size") or 10_000, config.get("max_seqs") or -1), 4)
        self.watch("epoch", {"epoch": epoch, "rate": rate, "training": self})
        if epoch == 1 and not position.done and self.config.get("save_epoch1_initial_model"):
            self.commit(self.models.path(0, pretraining), position.step, epoch=0)
        scores = self._train(position, config, rate)
        self._end_dumps()  # an evaluation that is stopped takes nothing of it away
        took = time.monotonic() - began
        told = {
            **scores.told("train"),
            ":meta:effective_learning_rate": np.float32(self.dynamic(np.float32(rate), first)),  # of the first step
            ":meta:epoch_num_train_steps": position.done,
            ":meta:epoch_train_time_secs": round(took),
            ":meta:global_train_step": first,
        }
        self.rates.record(epoch, told)
        self._say_key(epoch, scores.told("train"))
        self.rates.save()
        saved = epoch % self._interval == 0 or epoch == final
        if saved:
            self._save_epoch(position)
        self.log.say(log_lines.epoch_score(epoch, *scores.shown(), took, pretraining))
        try:
            self._evaluate(epoch)
        except Stopped:
            if not saved:
                self._save_epoch(position)
            raise
        if self.config.get("padding_legacy"):
            self._save_what_evaluation_changed(position, final)
        self.cleanup()
        self.watch("evaluated", {"epoch": epoch, "training": self})

    def _save_epoch(self, position: Position) -> None:
        path = self.models.path(position.epoch, self.is_pretraining(position.epoch))
        self.log.say(log_lines.save_model(str(path)))
        self.commit(path, position.step, epoch=position.epoch)
        if self.models.unfinished.exists():
            self.models.remove(self.models.unfinished)

    def _save_what_evaluation_changed(self, position: Position, final: int) -> None:
        """In old versions of RETURNN, running means see what is evaluated: the next epoch starts with them, and a checkpoint does not
        hold them but for the last."""
        if position.epoch == final:
            self.commit(self.models.path(final, self.is_pretraining(final)), position.step, epoch=final)
        elif self.state.state and position.epoch in self.models.existing():
            told = {"epoch": position.epoch + 1, "done": 0, "scores": {}}
            self.commit(self.models.unfinished, position.step, **told)

    def _train(self, position: Position, config: Config, rate: float) -> Scores:
        options = training_options(config)
        feed = self.feeds.of("train", named(config, config.get("train")), options, config, self.network, training=True)
        if not feed.limits.recurrent:
            self.log.say(log_lines.in_one_row(feed.chunking is not None), 4)
        assert self.dumps is not None
        self.dumps.begin("train", position.epoch, resumed=self._resumed, goes_on=position.done > 0)
        scores = self.__dict__.pop("_scores", None) if position.done else None
        scores = scores or Scores(with_exp=bool(config.get("calculate_exp_loss")))
        pretraining, began = self.is_pretraining(position.epoch), time.monotonic()
        self._told_at = self._epoch_began = began
        waiting: list[Any] = []
        sequences = feed.data.epoch(position.epoch)
        before = self.__dict__.pop("_told", {}) if position.done else {}
        self._basis = functools.cache(lambda: basis(config, config.get("train"), options, feed.data, sequences))
        place = position.epoch, position.done
        self._trail = followed(feed, sequences, place, before, self._basis, self.models.unfinished)
        trains = bool(self.network_of(position.epoch).get("#trainable", True))
        layers, abstract = self.dumps.layers, feed.abstract()
        self.steps.prepare(
            self.state, abstract, training=trains, layers=layers, then=lambda: self._stop_before(position)
        )
        self._stop_before(position)
        batches = feed.batches(position.epoch, position.done, sequences)
        fed = ahead(batches, lambda batch: (batch, self.steps.fed(feed.fed(batch))), 2)
        for batch, given in self.signals.until(fed):
            self._trail.add(batch.planned)
            effective = float(self.dynamic(np.float32(rate), position.step))
            losses, objective, outputs = self._step(given, effective, position, trains)
            more = {"rate": effective, "sequences": len(sequences), "global_step": position.step}
            dumped = {name: counted(x, given) for name, x in outputs.items()}
            waiting.append((position.done, batch, losses, objective, more, dumped))
            position.done, position.step = position.done + 1, position.step + int(trains)
            if len(waiting) > 1:  # the device computes one step while the one before is looked at
                self._tell(position.epoch, waiting.pop(0), scores, pretraining)
            self._maybe_save(position, scores, waiting)
        if self.signals.number:
            self._maybe_save(position, scores, waiting) if position.done else self._stop_before(position)
        while waiting:
            self._tell(position.epoch, waiting.pop(0), scores, pretraining)
        check_not_empty(position.done, "the data set 'train'")
        self.log.say(
            log_lines.finished(position.epoch, "train", position.done, time.monotonic() - began, 1.0, pretraining)
        )
        return scores

    def _maybe_reset_optimizer(self, step: int) -> None:
        """Lets the optimizer's state start anew every `reset_updater_vars_mod_step` steps of an epoch, the first one included."""
        every = int(self.config.get("reset_updater_vars_mod_step") or 0)
        if every and step % every == 0:
            self.log.say(log_lines.optimizer_reset(step), 5)
            fresh = self.steps.updater.init(self.state.params) if self.steps.updater is not None else ()
            self.state = self.steps.placed(self.state._replace(optimizer=fresh))

    def _step(self, given: Any, rate: float, position: Position, trains: bool) -> tuple[Any, Any, Any]:
        """The losses of a batch, their sum, and what is dumped; parameters stay as they are where `#trainable` is False."""
        if trains:
            self._maybe_reset_optimizer(position.done)
            self.state, losses, objective, outputs = self.steps.train(self.state, given, rate, position.step, self.key)
            return losses, objective, outputs
        assert self.dumps is not None
        key = jax.random.fold_in(self.key, position.done)
        losses, outputs, state = self.steps.evaluation(
            self.state, given, position.step, layers=self.dumps.layers, key=key
        )()
        if self.config.get("padding_legacy"):
            self.state = self.state._replace(state=state)
        return losses, sum(value for value, _, _ in losses.values() if value is not None), outputs

    def _tell(self, epoch: int, step: Any, scores: Scores, pretraining: bool) -> None:
        number, batch, losses, objective, more, dumped = step
        assert self.dumps is not None
        self.dumps.take(batch.tags, dumped)
        costs = {**scores.add(jax.device_get(losses)), "loss": np.float32(objective)}
        if self.config.get("stop_on_nonfinite_train_score", True) and not np.isfinite(costs["loss"]):
            raise nonfinite(epoch, number, costs["loss"], batch, self._broken())
        sizes = {key: int(np.max(value, initial=0)) for key, value in sorted(batch.lengths.items())}
        told = {"epoch": epoch, "dataset": "train", "step": number, "costs": costs, "sizes": sizes, "batch": batch}
        self.watch("step", {**told, **more})
        now = time.monotonic()
        took, elapsed = now - self._told_at, now - self._epoch_began
        complete = min(1.0, (max(batch.indices) + 1) / more["sequences"])
        options = {"pretraining": pretraining, "took": took, "elapsed": elapsed, "complete": complete}
        shown = sizes if self.config.get("log_batch_size") else {}
        self.log.say(log_lines.step(epoch, number, costs, shown, len(batch.tags), exp=scores.with_exp, **options), 5)
        self._told_at = now

    def _say_key(self, epoch: int, told: Mapping[str, Any]) -> None:
        if epoch == 1:
            self.log.say(log_lines.error_key(self.rates.error(epoch)[0], told), 4)

    def _broken(self) -> list[str]:
        return [name for name, value in flat(self.state.params).items() if not np.isfinite(value).all()]

    def _maybe_save(self, position: Position, scores: Scores, waiting: list[Any]) -> None:
        minutes = float(self.config.get("save_every_minutes") or 0)
        due = minutes and time.monotonic() - self._saved > 60 * minutes
        if not (due or self.signals.number):
            return
        while waiting:
            self._tell(position.epoch, waiting.pop(0), scores, self.is_pretraining(position.epoch))
        kept = {name: [s.loss, s.error, s.count] for name, s in scores.sums.items()}
        told = {
            "epoch": position.epoch,
            "done": position.done,
            "scores": kept,
            "batches": self._trail.text,
            "basis": self._basis(),
        }
        self.commit(self.models.unfinished, position.step, **told)
        if self.signals.number:
            raise self.signals.stopped(f"in epoch {position.epoch} after {position.done} steps, which are saved")

    def _stop_before(self, position: Position) -> None:
        """Ends the training before a step, if a signal has come."""
        if not self.signals.number:
            return
        epoch = position.epoch
        if not position.done and epoch > 1 and epoch - 1 not in self.models.existing():
            self.commit(self.models.unfinished, position.step, epoch=epoch, done=0, scores={})
        where = (
            f"in epoch {epoch} after {position.done} steps, which are saved"
            if position.done
            else f"before epoch {epoch}"
        )
        raise self.signals.stopped(where)

    # evaluation

    def _evaluate_if_missing(self, epoch: int) -> None:
        """Evaluates an epoch that was trained and saved, where the learning-rate file lacks scores of a data set."""
        if self.rates.path is None:
            return
        self.rates.rate(epoch)
        told = " ".join(self.rates.epochs[epoch].scores)
        if any(f"{name}_score" not in told and f"{name}_error" not in told for name in evaluation_sets(self.config)):
            self._evaluate(epoch)

    def _evaluate(self, epoch: int) -> None:
        config = self.config_of(epoch)
        found = {}
        for name, options in evaluation_sets(config).items():
            seen = None if self.dumps is None else self.dumps.begin(name, epoch, resumed=self._resumed)
            try:
                scores = self.evaluated(epoch, name, options, seen)
            except Stopped as stopped:  # is done from the start when the training goes on
                self._end_dumps(stopped)
                raise
            self.rates.record(epoch, scores.told(name))
            self._say_key(epoch, scores.told(name))
            found[name] = scores.shown()
        self._end_dumps()  # what is dumped may be what the next epoch is trained on
        self.rates.save()
        if found:
            self.log.say(log_lines.evaluation_scores(found))

    def _evaluation_feed(self, config: Config, name: str, options: Any) -> Feed:
        defaults = evaluation_options(config) if name in ("dev", "eval") else {}  # RETURNN gives none to eval_datasets
        return self.feeds.of(name, options, defaults, config, self.network, training=False)

    def evaluated(self, epoch: int, name: str, options: Any, seen: Seen | None = None) -> Scores:
        """The scores of one data set.

        Args:
          epoch: whose config counts.
          name: of the data set.
          options: of the data set.
          seen: is shown further layers of each batch.
        """
        config = self.config_of(epoch)
        feed = self._evaluation_feed(config, name, options)
        layers = seen.layers if seen is not None else ()
        if seen is self.dumps:
            stop = f"before {name!r} was evaluated after epoch {epoch}, which is saved"
            self.steps.prepare(
                self.state, feed.abstract(), training=False, layers=layers, then=lambda: self._stop(stop)
            )
        scores, began, count = Scores(with_exp=bool(config.get("calculate_exp_loss"))), time.monotonic(), 0
        of = epoch if config.get("dev_epochs") or config.get("padding_legacy") else 1
        sequences = feed.data.epoch(of)

        def step(number: int, batch: Padded) -> Ready:
            key = jax.random.fold_in(self.key, number)
            return self.steps.evaluation(self.state, feed.fed(batch), layers=layers, key=key)

        at_once = 1 if config.get("padding_legacy") else batches_in_flight(config, self.steps.mesh)
        found = computed(feed.batches(of, order=sequences), step, at_once)
        for batch, (losses, outputs, state) in self.signals.until(found):
            if seen is not None:
                seen.take(batch.tags, outputs)
            if config.get("padding_legacy"):  # in old versions, RETURNN's running means see what is evaluated
                self.state = self.state._replace(state=state)
            costs = scores.add(jax.device_get(losses))
            sizes = {k: int(np.max(v, initial=0)) for k, v in sorted(batch.lengths.items())}
            told = {"epoch": epoch, "dataset": name, "step": count, "costs": costs, "sizes": sizes, "batch": batch}
            self.watch("step", {**told, "sequences": len(sequences)})
            count += 1
            self._stop(f"while {name!r} was evaluated after epoch {epoch}, which is saved")
        self._stop(f"while {name!r} was evaluated after epoch {epoch}, which is saved")
        check_not_empty(count, f"the data set {name!r}")
        took = time.monotonic() - began
        self.log.say(log_lines.finished(epoch, name, count, took, 1.0, self.is_pretraining(epoch)))
        return scores

    def _stop(self, where: str) -> None:
        if self.signals.number:
            raise self.signals.stopped(where)

    def cleanup(self) -> None:
        """Removes checkpoints as `cleanup_old_models` says."""
        option = self.config.get("cleanup_old_models")
        if not option:
            return
        existing = {epoch: path for epoch, path in self.models.existing().items() if epoch}
        keep = to_keep(existing, option, {epoch: known.scores for epoch, known in self.rates.epochs.items()})
        for epoch, path in existing.items():
            if epoch not in keep:
                self.models.remove(path)


__all__ = ["Position", "Stopped", "Training", "Watch"]
