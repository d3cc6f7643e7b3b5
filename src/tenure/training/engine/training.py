"""Training: epochs over data, with learning-rate control, pretraining, checkpoints, and evaluation after each epoch.

Everything that a step depends on is a function of the config, the checkpoint, and (epoch, step): batches are planned from lengths, random
keys are folded from the number of the step. So a training that was stopped anywhere goes on as if it had not been.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np

import tenure as tn
from tenure.returnn.checkpoints import load, preload_all
from tenure.training.engine import lines, lock
from tenure.training.engine.feeding import check_not_empty
from tenure.training.engine.feeds import Feeds
from tenure.training.engine.log import Log
from tenure.training.engine.mesh import mesh_of
from tenure.training.engine.model import TRAINING, build, embeddings, extern_data, filled, flat, network_of
from tenure.training.engine.models import Models, is_ours, metadata, read, to_keep
from tenure.training.engine.scores import Scores, Sum
from tenure.training.engine.settings import evaluation_options, evaluation_sets, training_options
from tenure.training.engine.step import State, Steps
from tenure.training.engine.trail import followed
from tenure.training.errors import ConfigError, TrainingError
from tenure.training.optimizing.updater import Updater, layers_with_options
from tenure.training.pretraining.carry import carried
from tenure.training.pretraining.overrides import overridden
from tenure.training.pretraining.plan import Pretraining
from tenure.training.rates.control import LearningRates
from tenure.training.rates.dynamic import dynamic
from tenure.training.rates.epochs import epoch_to_go_back_to, rate_of_epoch

Config = Mapping[str, Any]
Watch = Callable[[str, Mapping[str, Any]], None]


class Seen(Protocol):
    """What looks at layers of each batch that is evaluated.

    Attributes:
      layers: their names.
    """

    layers: tuple[str, ...]

    def take(self, tags: Sequence[str], outputs: Mapping[str, Any]) -> None:
        """Takes their outputs."""


class Stopped(TrainingError):
    """A signal has stopped the training; the message says how to go on."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


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


class Training:
    """One training.

    Attributes:
      config: key → value.
      models: its checkpoints.
      rates: learning rates and scores.
      log: where it says what it does.
      watch: is told of every step and epoch.
    """

    def __init__(self, config: Config, log: Log | None = None, watch: Watch | None = None):
        self.config = dict(config)
        self.log = log or Log.from_config(config)
        self.watch = watch or (lambda what, values: None)
        if not config.get("model"):
            raise ConfigError("'model' says where checkpoints go, and is not set", ways=["model = 'net/model'"])
        self.models = Models(Path(config["model"]))
        name = config.get("learning_rate_file")
        self.rates = LearningRates.from_config(config, Path(name) if name else None)
        self.pretraining = Pretraining.from_config(config)
        if self.pretraining is not None and self.pretraining.greedy:
            raise ConfigError("greedy pretraining is not done here", ways=["remove 'greedy': all layers are trained"])
        if config.get("start_epoch") not in (None, "auto"):
            raise ConfigError("start_epoch can be 'auto' only", ways=["import_model_train_epoch1", "another 'model'"])
        self.dynamic = dynamic(config.get("dynamic_learning_rate"))
        self.key = jax.random.key(int(config.get("random_seed") or 42))
        self._net: Mapping[str, Any] | None = None
        self.feeds = Feeds()
        self._stop: int | None = None
        self._saved = time.monotonic()

    # the network of an epoch

    def network_of(self, epoch: int) -> Mapping[str, Any]:
        """The dictionary of layers of an epoch."""
        return network_of(self.config, epoch, self.pretraining)

    def config_of(self, epoch: int) -> dict[str, Any]:
        """The config of an epoch: with the `#config` of its network."""
        return overridden(self.config, self.network_of(epoch).get("#config") or {})

    def is_pretraining(self, epoch: int) -> bool:
        """Whether an epoch is one of pretraining."""
        return self.pretraining is not None and epoch <= self.pretraining.epochs

    def set_network(self, epoch: int) -> None:
        """Builds an epoch's network; where it is another one, parameters are carried to it."""
        net, config = self.network_of(epoch), self.config_of(epoch)
        if self._net is not None and _same(net, self._net):
            return
        before = None if self._net is None else (self._net, flat(self.state.params, self.state.state))
        self.network = build(config, net)
        params, state = self.network.init(jax.random.fold_in(self.key, 2 * epoch), train=True)
        if before is not None:
            self.log.say(lines.network_changed())
            mode = None if self.pretraining is None else self.pretraining.copy_param_mode
            output = None if self.pretraining is None else self.pretraining.copy_output_layer
            known = extern_data(config)
            values = carried(*before, net, flat(params, state), known, mode=mode, output=output)
            params, state = filled(params, values), filled(state, values)
        nodes = self.network.graph(TRAINING).nodes
        lazy = config.get("nadam") or "nadam" in repr(config.get("optimizer")).lower()
        rows = embeddings(self.network) if lazy else frozenset()
        updater = Updater(config, self.network.trainable(), layers_with_options(nodes), rows)
        self.steps = Steps(self.network, updater, mesh_of(config), lambda text: self.log.say(text, 3))
        self.state: State = self.steps.placed(State(params, state, updater.init(params)))
        self.plan = self.network.plan(train=True)
        self._net = net

    # checkpoints

    def start(self) -> Position:
        """Where the training begins or goes on, with the network and the values of that place."""
        existing = self.models.existing()
        last = max(existing, default=0)
        unfinished = self._unfinished(last)
        self.set_network(max(last, 1))
        if last:
            self.log.say(lines.load_model(str(existing[last])))
            step = self._load(existing[last])
        else:
            step = self.initial()
        if unfinished:
            self.set_network(last + 1)
            restored = self._restored(self.models.unfinished)
            self._scores = _scores_of(restored.metadata["scores"])
            self._batches = restored.metadata.get("batches")
            return Position(last + 1, restored.metadata["done"], restored.step or 0)
        return Position(last + 1, 0, step)

    def _unfinished(self, last: int) -> bool:
        path = self.models.unfinished
        if not path.exists():
            return False
        return metadata(path).get("epoch") == last + 1

    def _restored(self, path: Path) -> Any:
        restored = tn.restore(path, self.plan, state=self.state.state, opt_state=self.state.optimizer)
        self.state = self.steps.placed(State(restored.params, restored.state, restored.opt_state))
        return restored

    def _load(self, path: Path) -> int:
        """Takes the values of a checkpoint; returns the number of steps until it."""
        if is_ours(path):
            if self.config.get("reset_optimizer"):
                restored = tn.restore(path, self.plan, state=self.state.state)
                self.state = self.steps.placed(self.state._replace(params=restored.params, state=restored.state))
            else:
                restored = self._restored(path)
            text = (restored.metadata or {}).get("rates")
            if text and self.rates.path is not None and not self.rates.path.exists():
                self.rates.path.write_text(text, encoding="utf-8")
            return restored.step or 0
        values = read(path)
        self.fill(load(self._shapes(), values, path=str(path)))
        return int(np.asarray(values.get("global_step", 0)))

    def initial(self) -> int:
        """The values of the first epoch: of `import_model_train_epoch1` and `preload_from_files`."""
        step = 0
        if given := self.config.get("import_model_train_epoch1") or self.config.get("load"):
            self.log.say(lines.load_model(str(given)))
            values = read(given)
            self.fill(load(self._shapes(), values, path=str(given)))
        if entries := self.config.get("preload_from_files"):
            self.fill(preload_all(entries, self._shapes(), read, training=True, first_epoch=True))
        return step

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: value.shape for name, value in flat(self.state.params, self.state.state).items()}

    def fill(self, values: Mapping[str, Any]) -> None:
        """Takes values by name; the optimizer's state starts anew."""
        state = self.state
        params, kept = filled(state.params, values), filled(state.state, values)
        self.state = self.steps.placed(State(params, kept, self.steps.updater.init(params)))  # type: ignore[union-attr]

    def commit(self, path: Path, step: int, **told: Any) -> None:
        state = self.state
        path.parent.mkdir(parents=True, exist_ok=True)
        tn.save(
            *(path, self.plan, state.params),
            state=state.state,
            opt_state=state.optimizer,
            step=step,
            metadata={**told, "rates": self.rates.render()},
            overwrite=True,
        )
        self._saved = time.monotonic()

    def load_epoch(self) -> int:
        """For tasks other than training: takes the values of `load`, or of the epoch `load_epoch`, or of the newest one.

        Raises:
          ConfigError: there are none.
        """
        existing = self.models.existing()
        epoch = int(self.config.get("load_epoch") or self.config.get("epoch") or max(existing, default=0))
        path = Path(self.config["load"]) if self.config.get("load") else existing.get(epoch)
        entries = self.config.get("preload_from_files")
        if path is None and not entries and not self.config.get("allow_random_model_init"):
            raise ConfigError(
                f"there is no checkpoint of epoch {epoch} under {self.models.prefix}"
                if epoch
                else f"there is no checkpoint under {self.models.prefix}",
                near=[str(p) for p in existing.values()],
                ways=["load = 'file'", "load_epoch = n", "allow_random_model_init = True"],
            )
        self.set_network(max(epoch, 1))
        loaded = preload_all(entries, self._shapes(), read, training=False, first_epoch=False) if entries else {}
        if path is not None:
            self.log.say(lines.load_model(str(path)))
            wanted = {name: shape for name, shape in self._shapes().items() if name not in loaded}
            loaded = {**load(wanted, read(path), path=str(path)), **loaded}
        self.fill(loaded)
        return max(epoch, 1)

    # epochs

    def run(self) -> None:
        """Trains until `num_epochs`.

        Raises:
          TrainingError: another process trains the same model.
        """
        with lock.held(self.models.prefix):
            try:
                self._run()
            finally:
                self.watch("end", {"training": self})

    def _run(self) -> None:
        position = self.start()
        final = int(self.config.get("num_epochs") or 5)
        with self._signals():
            if position.epoch > 1 and not position.done:
                self._evaluate_if_missing(position.epoch - 1)
            self.log.say(lines.start_training(position.epoch))
            while position.epoch <= final:
                self._epoch(position, final)
                if position.epoch == final and self.config.get("padding_legacy"):  # with what evaluation has changed
                    path = self.models.path(final, self.is_pretraining(final))
                    self.commit(path, position.step, epoch=final)
                position = Position(position.epoch + 1, 0, position.step)
        self.log.say(lines.finished_training(max(final, position.epoch - 1)))

    def _epoch(self, position: Position, final: int) -> None:
        epoch, pretraining = position.epoch, self.is_pretraining(position.epoch)
        self.set_network(epoch)
        config = self.config_of(epoch)
        back = epoch_to_go_back_to(epoch, self.rates, self.config, self.pretraining)
        if back is not None and not position.done and back in self.models.existing():
            self._load(self.models.existing()[back])
        overrides = self.network_of(epoch).get("#config") or {}
        rate = rate_of_epoch(epoch, self.rates, self.config, self.pretraining, overrides)
        self.log.say(lines.start_epoch(epoch, rate, pretraining))
        began, first = time.monotonic(), position.step - position.done
        self.watch("epoch", {"epoch": epoch, "rate": rate, "training": self})
        scores, effective = self._train(position, config, rate)
        took = time.monotonic() - began
        told = {
            **scores.told("train"),
            ":meta:effective_learning_rate": np.float32(effective),
            ":meta:epoch_num_train_steps": position.done,
            ":meta:epoch_train_time_secs": round(took),
            ":meta:global_train_step": first,
        }
        self.rates.record(epoch, told)
        self.rates.save()
        if epoch % int(self.config.get("save_interval") or 1) == 0 or epoch == final:
            path = self.models.path(epoch, pretraining)
            self.log.say(lines.save_model(str(path)))
            self.commit(path, position.step, epoch=epoch)
            if self.models.unfinished.exists():
                self.models.remove(self.models.unfinished)
        self.log.say(lines.epoch_score(epoch, *scores.shown(), took, pretraining))
        self._evaluate(epoch)
        self.cleanup()
        self.watch("evaluated", {"epoch": epoch, "training": self})

    def _train(self, position: Position, config: Config, rate: float) -> tuple[Scores, float]:
        options = training_options(config)
        feed = self.feeds.of("train", config.get("train"), options, config, self.network, training=True)
        self.steps.prepare(self.state, feed.abstract(), training=True)
        scores = self.__dict__.pop("_scores", None) if position.done else None
        scores = scores or Scores(with_exp=bool(config.get("calculate_exp_loss")))
        pretraining, began, effective = self.is_pretraining(position.epoch), time.monotonic(), rate
        waiting: list[Any] = []
        sequences = feed.data.epoch(position.epoch)
        before = self.__dict__.pop("_batches", None) if position.done else None
        self._trail = followed(feed, sequences, position.epoch, position.done, before, self.models.unfinished)
        for batch in feed.batches(position.epoch, position.done, sequences):
            self._trail.add(batch.planned)
            effective = float(self.dynamic(np.float32(rate), position.step))
            key = jax.random.fold_in(self.key, 2 * position.step + 1)
            self.state, losses, objective = self.steps.train(self.state, feed.fed(batch), effective, position.step, key)
            waiting.append((position.done, batch, losses, objective, (effective, len(sequences))))
            position.done, position.step = position.done + 1, position.step + 1
            if len(waiting) > 1:  # the device computes one step while the one before is looked at
                self._tell(position.epoch, waiting.pop(0), scores, pretraining)
            self._maybe_save(position, scores, waiting)
        while waiting:
            self._tell(position.epoch, waiting.pop(0), scores, pretraining)
        check_not_empty(position.done, "the data set 'train'")
        self.log.say(lines.finished(position.epoch, "train", position.done, time.monotonic() - began, 1.0, pretraining))
        return scores, effective

    def _tell(self, epoch: int, step: Any, scores: Scores, pretraining: bool) -> None:
        number, batch, losses, objective, (rate, count) = step
        costs = {**scores.add(jax.device_get(losses)), "loss": np.float32(objective)}
        if self.config.get("stop_on_nonfinite_train_score", True) and not np.isfinite(costs["loss"]):
            raise TrainingError(
                f"epoch {epoch}, step {number}: the loss is {costs['loss']}",
                ways=[
                    f"sequences of the batch: {', '.join(batch.tags)}",
                    f"their lengths: { {k: v.tolist() for k, v in batch.lengths.items()} }",
                    f"parameters that are no numbers: {', '.join(self._broken()) or 'none'}",
                    "a lower learning rate, or gradient_clip_global_norm",
                ],
            )
        sizes = {key: int(np.max(value, initial=0)) for key, value in sorted(batch.lengths.items())}
        told = {"epoch": epoch, "dataset": "train", "step": number, "costs": costs, "sizes": sizes, "batch": batch}
        self.watch("step", {**told, "rate": rate, "sequences": count})
        line = lines.step(epoch, number, costs, sizes, len(batch.tags), pretraining=pretraining)
        self.log.say(line, 5)

    def _broken(self) -> list[str]:
        return [name for name, value in flat(self.state.params).items() if not np.isfinite(value).all()]

    def _maybe_save(self, position: Position, scores: Scores, waiting: list[Any]) -> None:
        minutes = float(self.config.get("save_every_minutes") or 0)
        due = minutes and time.monotonic() - self._saved > 60 * minutes
        if not (due or self._stop):
            return
        while waiting:
            self._tell(position.epoch, waiting.pop(0), scores, self.is_pretraining(position.epoch))
        kept = {name: [s.loss, s.error, s.count] for name, s in scores.sums.items()}
        told = {"epoch": position.epoch, "done": position.done, "scores": kept, "batches": self._trail.text}
        self.commit(self.models.unfinished, position.step, **told)
        if self._stop:
            raise Stopped(
                f"stopped in epoch {position.epoch} after {position.done} steps, which are saved; the same command goes on",
                128 + self._stop,
            )

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """While it is on, ctrl-C and SIGTERM stop after the step that is being done."""

        def stop(number: int, _: Any) -> None:
            if self._stop:
                raise KeyboardInterrupt
            self._stop = number

        try:
            before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not in the main thread
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    # evaluation

    def _evaluate_if_missing(self, epoch: int) -> None:
        """Evaluates an epoch that was trained and saved, and stopped then."""
        known = self.rates.epochs.get(epoch)
        told = " ".join(known.scores) if known else ""
        if (
            known
            and known.scores
            and any(
                f"{name}_score" not in told and f"{name}_error" not in told for name in evaluation_sets(self.config)
            )
        ):
            self._evaluate(epoch)

    def _evaluate(self, epoch: int) -> None:
        config = self.config_of(epoch)
        found = {}
        for name, options in evaluation_sets(config).items():
            scores = self.evaluated(epoch, name, options)
            self.rates.record(epoch, scores.told(name))
            found[name] = scores.shown()
        self.rates.save()
        if found:
            self.log.say(lines.evaluation_scores(found))

    def evaluated(self, epoch: int, name: str, options: Any, seen: Seen | None = None) -> Scores:
        """The scores of one data set.

        Args:
          epoch: whose config counts.
          name: of the data set.
          options: of the data set.
          seen: is shown further layers of each batch.
        """
        config = self.config_of(epoch)
        defaults = evaluation_options(config) if name in ("dev", "eval") else {}  # RETURNN gives none to eval_datasets
        feed = self.feeds.of(name, options, defaults, config, self.network, training=False)
        if seen is None:
            self.steps.prepare(self.state, feed.abstract(), training=False)
        scores, began, count = Scores(with_exp=bool(config.get("calculate_exp_loss"))), time.monotonic(), 0
        of = 1 if not config.get("dev_epochs") else epoch
        sequences = feed.data.epoch(of)
        for batch in feed.batches(of, order=sequences):
            key = jax.random.fold_in(self.key, count)
            layers = seen.layers if seen is not None else ()
            losses, outputs, state = self.steps.evaluate(self.state, feed.fed(batch), layers=layers, key=key)
            if seen is not None:
                seen.take(batch.tags, outputs)
            if config.get("padding_legacy"):  # in old versions, RETURNN's running means see what is evaluated
                self.state = self.state._replace(state=state)
            costs = scores.add(jax.device_get(losses))
            sizes = {k: int(np.max(v, initial=0)) for k, v in sorted(batch.lengths.items())}
            told = {"epoch": epoch, "dataset": name, "step": count, "costs": costs, "sizes": sizes, "batch": batch}
            self.watch("step", {**told, "sequences": len(sequences)})
            count += 1
        check_not_empty(count, f"the data set {name!r}")
        took = time.monotonic() - began
        self.log.say(lines.finished(epoch, name, count, took, 1.0, self.is_pretraining(epoch)))
        return scores

    def cleanup(self) -> None:
        """Removes checkpoints as `cleanup_old_models` says."""
        option = self.config.get("cleanup_old_models")
        if not option:
            return
        existing = self.models.existing()
        keep = to_keep(existing, option, self._best)
        for epoch, path in existing.items():
            if epoch not in keep:
                self.models.remove(path)

    def _best(self, count: int) -> list[int]:
        """The best epochs of every score but those of training."""
        found: list[int] = []
        known = {e: s.scores for e, s in self.rates.epochs.items()}
        keys = {k for scores in known.values() for k in scores if not k.startswith((":", "train_"))}
        for key in keys:
            ranked = sorted((float(s[key]), -e) for e, s in known.items() if key in s)
            found += [-e for _, e in ranked[:count]]
        return found


def _scores_of(kept: Mapping[str, Any]) -> Scores:
    return Scores({name: Sum(*values) for name, values in kept.items()})


def _same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    keys = {k for net in (a, b) for k in net if not k.startswith("#")}
    return all(k in a and k in b and a[k] == b[k] for k in keys)
