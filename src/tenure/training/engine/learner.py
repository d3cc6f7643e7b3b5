"""The network of an epoch with its values, and the checkpoints that these come from and go to."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

import tenure as tn
from tenure.checkpoints.errors import ContentError
from tenure.checkpoints.opened import Opened
from tenure.core.errors import RuleError
from tenure.core.ledger.ledger import Ledger
from tenure.returnn.checkpoints import entries, load, on_init, preload_all
from tenure.training.engine import log_lines
from tenure.training.engine.averaging import averaged, epochs_to_average
from tenure.training.engine.dumping import Dumps
from tenure.training.engine.log import Log
from tenure.training.engine.mesh import mesh_of
from tenure.training.engine.model import (
    SEARCHING,
    TRAINING,
    Tree,
    build,
    embeddings,
    extern_data,
    filled,
    flat,
    network_of,
    read_at_places,
)
from tenure.training.engine.models import Models, epoch_of, is_ours, read
from tenure.training.engine.step import State, Steps
from tenure.training.errors import ConfigError
from tenure.training.optimizing.carry import carried_states, fitted
from tenure.training.optimizing.updater import Updater, layers_with_options
from tenure.training.pretraining.carry import carried
from tenure.training.pretraining.overrides import overridden
from tenure.training.pretraining.plan import Pretraining
from tenure.training.rates.control import LearningRates
from tenure.training.rates.file import parse

Config = Mapping[str, Any]
# Keys that `#config` may change without any effect on the compiled step.
_OF_BATCHES = {
    *("batch_size", "max_seqs", "max_seq_length", "min_seq_length", "seq_drop", "chunking", "train", "dev", "eval"),
    *("learning_rate", "packed_batch_size", "max_pad_size", "max_total_num_seqs", "eval_datasets"),
}


class Learner:
    """The network of an epoch with its values.

    Attributes:
      config: key → value.
      log: where it says what it does.
      models: its checkpoints.
      rates: learning rates and scores, which checkpoints hold too.
      pretraining: of the config, or None.
      network, steps, plan, state, dumps: of the epoch that `set_network` was called for last.
    """

    def __init__(self, config: Config, log: Log | None = None):
        self.config = dict(config)
        self.log = log or Log.from_config(config)
        self.models = Models.of(config)
        name = config.get("learning_rate_file")
        self.rates = LearningRates.from_config(config, Path(name) if name else None)
        if name:
            there = Path(name).exists()
            self.log.say(log_lines.loading_rates(name) if there else log_lines.new_rates_file(name), 4)
        self.pretraining = Pretraining.from_config(config)
        self.key = jax.random.key(int(config.get("random_seed") or 42))
        self._net: Mapping[str, Any] | None = None
        self._made_of: Any = None
        self.dumps: Dumps | None = None
        self._saved = time.monotonic()

    # the network of an epoch

    def network_of(self, epoch: int) -> Mapping[str, Any]:
        """The dictionary of layers of an epoch."""
        return network_of(self.config, epoch, self.pretraining)

    def config_of(self, epoch: int) -> dict[str, Any]:
        """The config of an epoch: with the `#config` of its network."""
        return overridden(self.config, self.network_of(epoch).get("#config") or {})

    @property
    def searching(self) -> bool:
        """Whether networks are those of a search, which need not be ones that can be trained."""
        return self.config.get("task") == "search" and not self.config.get("average_output")

    def is_pretraining(self, epoch: int) -> bool:
        """Whether an epoch is one of pretraining."""
        return self.pretraining is not None and epoch <= self.pretraining.epochs

    def set_network(self, epoch: int) -> None:
        """Builds an epoch's network; where it is another one, parameters and optimizer states are carried to it."""
        net, config = self.network_of(epoch), self.config_of(epoch)
        frozen = frozenset() if self.pretraining is None else self.pretraining.frozen(epoch)
        overrides = {k: v for k, v in (net.get("#config") or {}).items() if k not in _OF_BATCHES}
        made_of = (frozen, repr(sorted(overrides.items())))
        same = self._net is not None and _same(net, self._net)
        if same and made_of == self._made_of:
            return
        before = None if self._net is None else (self._net, flat(self.state.params, self.state.state))
        old = None if self._net is None else self.state
        self.network = build(config, net)
        if self.dumps is not None:
            self.dumps.end()
        self.dumps = None if self.searching else Dumps(self.network, TRAINING, self.log)
        self.plan = self.network.plan(train=not self.searching, search=self.searching)
        if old is not None and same:
            params, state = old.params, old.state
        else:
            key = jax.random.fold_in(self.key, 2 * epoch)
            params, state = self.network.init(key, train=not self.searching, search=self.searching)
            self._own = self._on_init(params, state)
            params, state = filled(params, self._own), filled(state, self._own)
        known, move = extern_data(config), None
        if before is not None and not same:
            self.log.say(log_lines.network_changed())
            options = {}
            if self.pretraining is not None:
                options = {"mode": self.pretraining.copy_param_mode, "output": self.pretraining.copy_output_layer}
            last = before[0]
            values = carried(*before, net, flat(params, state), known, **options)
            params, state = filled(params, values), filled(state, values)

            def move(a: Any, b: Any) -> Mapping[str, Any]:
                return carried(last, a, net, b, known, **options)

        updater = None if self.searching else self._updater(config, frozen)
        self.steps = Steps(
            self.network,
            updater,
            mesh_of(config),
            self.with_rules(config, epoch, self.plan.ledger),
            self.log.say,
            () if self.dumps is None else self.dumps.layers,
        )
        optimizer = updater.init(params) if updater is not None else ()
        if old is not None and updater is not None and (same or not self.config.get("reset_optimizer")):
            optimizer = carried_states(jax.device_get(old.optimizer), optimizer, move)
        self.state: State = self.steps.placed(State(params, state, optimizer))
        self._net, self._made_of = net, made_of
        self._say_network(epoch, net.get("#config") or {})

    def _say_network(self, epoch: int, overrides: Mapping[str, Any]) -> None:
        for key, value in overrides.items():
            if self.config.get(key) != value:
                self.log.say(log_lines.config_changed(key, epoch, self.config.get(key), value))
        of = {f"{m}/{name}": v for m, names in self.state.params.items() for name, v in names.items()}
        if not self.searching:
            trained = {f"{m}/{name}" for m, its in self.network.trainable().items() for name, is_ in its.items() if is_}
            of = {name: value for name, value in of.items() if name in trained}
        self.log.say(log_lines.parameter_count(sum(value.size for value in of.values())), 2)
        self.log.say(log_lines.trainable(log_lines.variable(name, v.shape, v.dtype) for name, v in of.items()), 4)

    def with_rules(self, config: Config, epoch: int, ledger: Ledger) -> Config:
        """The config with those rules of `sharding` that name parameters of the network: one of pretraining may lack some."""
        if not config.get("sharding") or not self.is_pretraining(epoch):
            return config
        kept = {}
        for rule, axes in dict(config["sharding"]).items():
            with contextlib.suppress(RuleError):
                ledger.mask(rule)
                kept[rule] = axes
        return {**config, "sharding": kept}

    def _updater(self, config: Config, frozen: frozenset[str]) -> Updater:
        nodes = self.network.graph(TRAINING).nodes
        scopes = [nodes[name].scope for name in frozen if name in nodes]
        trainable = {
            module: {n: t and not any(f"{module}/".startswith(f"{s}/") for s in scopes) for n, t in names.items()}
            for module, names in self.network.trainable().items()
        }
        layers = layers_with_options(nodes)
        updater = Updater(config, trainable, layers)
        parts = [part for part in updater.parts if part.every == 1]
        rows = embeddings(self.network) if any(part.lazy for part in parts) else None
        places = any(part.clipping.by_occurrence for part in parts)
        if rows or places:
            return Updater(config, trainable, layers, rows, read_at_places(self.network) if places else frozenset())
        return updater

    # values

    def fill(self, values: Mapping[str, Any]) -> None:
        """Takes values by name; the optimizer's state starts anew."""
        state, updater = self.state, self.steps.updater
        params, kept = filled(state.params, values), filled(state.state, values)
        self.state = self.steps.placed(State(params, kept, updater.init(params) if updater is not None else ()))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of all values by name."""
        return {name: value.shape for name, value in flat(self.state.params, self.state.state).items()}

    def initial(self, *, first_epoch: bool = True) -> int:
        """The values that a training starts with: of `import_model_train_epoch1` or `load`, `preload_from_files`, and `load_on_init` of
        sub-networks.

        Args:
          first_epoch: whether it starts with its first epoch; else entries of `preload_from_files` are not due.

        Returns:
          The number of steps that the checkpoint has had.
        """
        files = self.config.get("preload_from_files")
        loaded = {}
        if files and first_epoch:
            loaded = preload_all(files, self.shapes(), read, training=True, first_epoch=True)
        loaded, step = {**loaded, **self._own}, 0
        if given := self.config.get("import_model_train_epoch1") or self.config.get("load"):
            self.log.say(log_lines.load_model(str(given)))
            values = read(given)
            loaded = {**load(self._without(loaded), values, path=str(given)), **loaded}
            step = int(np.asarray(values.get("global_step", 0)))
        if loaded:
            self.fill(loaded)
        return step

    def _without(self, names: Collection[str]) -> dict[str, tuple[int, ...]]:
        """The shapes of all values but these."""
        return {name: shape for name, shape in self.shapes().items() if name not in names}

    def _on_init(self, *values: Tree) -> dict[str, np.ndarray]:
        """The first values of sub-networks with `load_on_init`."""
        shapes = {name: value.shape for name, value in flat(*values).items()}
        mode = SEARCHING if self.searching else TRAINING
        found = on_init(entries([self.network.graph(mode)]), shapes, read)
        for name in found:
            self.log.say(f"load_on_init: {name}", 4)
        return found

    # checkpoints

    def commit(self, path: Path, step: int, **told: Any) -> None:
        """Writes all that a training goes on from, whole or not at all.

        Raises:
          CheckpointError: it cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        tn.save(
            *(path, self.plan, self.state.params),
            state=self.state.state,
            opt_state=self.state.optimizer,
            step=step,
            metadata={**told, "rates": self.rates.render()},
            overwrite=True,
        )
        self._saved = time.monotonic()

    def restored(self, path: Path) -> Any:
        """Takes all that one of our checkpoints holds; learning rates and scores only where there is no file of them.

        Returns:
          What `tn.restore` gives.
        """
        restored = tn.restore(path, self.plan, state=self.state.state, opt_state=self.state.optimizer)
        self.state = self.steps.placed(State(restored.params, restored.state, restored.opt_state))
        self._take_rates(restored.metadata or {})
        return restored

    def load(self, path: Path) -> int:
        """Takes the values of a checkpoint; returns the number of steps until it."""
        if not is_ours(path):
            values = read(path)
            self.fill(load(self.shapes(), values, path=str(path)))
            return int(np.asarray(values.get("global_step", 0)))
        optimizer = self.state.optimizer
        if not self.config.get("reset_optimizer"):
            try:
                return self.restored(path).step or 0
            except ContentError:  # of another optimizer, or of other parameters: then the next line says so
                restored = tn.restore(path, self.plan, state=self.state.state)
            stored = {name: leaf.read() for name, leaf in Opened(path).leaves("training").items()}
            optimizer, kept, count = fitted(jax.device_get(optimizer), stored)
            self.log.say(
                f"the optimizer is another one: of {count} arrays of its state, {kept} are in {path}, the others start anew"
            )
        else:
            restored = tn.restore(path, self.plan, state=self.state.state)
        self.state = self.steps.placed(State(restored.params, restored.state, optimizer))
        self._take_rates(restored.metadata or {})
        return restored.step or 0

    def _take_rates(self, told: Mapping[str, Any]) -> None:
        """The file counts where it is there: people change it. What it lacks comes from the checkpoint."""
        text = told.get("rates")
        if not text:
            return
        known = self.rates.epochs
        missing = {e: s for e, s in parse(text).items() if s.scores and (e not in known or not known[e].scores)}
        self.rates.take(missing)
        if missing:
            self.rates.save()

    def load_epoch(self) -> int:
        """For tasks other than training: takes the values of `load`, whose name has an epoch unless `load_epoch` says it, of the means of
        `average_epochs`, of the epoch `load_epoch`, or of the newest one.

        Returns:
          The epoch.

        Raises:
          ConfigError: there are none.
        """
        existing = self.models.existing()
        given = Path(self.config["load"]) if self.config.get("load") else None
        named = epoch_of(given) if given is not None else None
        epoch = int(self.config.get("load_epoch") or self.config.get("epoch") or named or max(existing, default=0))
        path = given or existing.get(epoch)
        files, chosen = self.config.get("preload_from_files"), epochs_to_average(self.config, self.rates, existing)
        if chosen:
            epoch = max(chosen)
        elif path is None and not files and not self.config.get("allow_random_model_init"):
            raise ConfigError(
                f"there is no checkpoint of epoch {epoch} under {self.models.prefix}"
                if epoch
                else f"there is no checkpoint under {self.models.prefix}",
                near=[str(p) for p in existing.values()],
                ways=["load = 'file'", "load_epoch = n", "allow_random_model_init = True"],
            )
        self.set_network(max(epoch, 1))
        loaded = preload_all(files, self.shapes(), read, training=False, first_epoch=False) if files else {}
        paths = [existing[e] for e in chosen] if chosen else [path] if path is not None else []
        stored = set(read(paths[0])) if self._own and paths else set()
        wanted = self._without({*loaded, *(name for name in self._own if name not in stored)})
        if chosen:
            loaded = {**self._average(wanted, paths), **loaded}
        elif path is not None:
            self.log.say(log_lines.load_model(str(path)))
            loaded = {**load(wanted, read(path), path=str(path)), **loaded}
        self.fill(loaded)
        if chosen and self.config.get("average_output"):
            self.commit(Path(self.config["average_output"]), 0, epoch=epoch, averaged=chosen)
        return max(epoch, 1)

    def _average(self, wanted: Mapping[str, tuple[int, ...]], paths: list[Path]) -> dict[str, Any]:
        self.log.say(f"Average of {', '.join(map(str, paths))}")
        return averaged(load(wanted, read(path), path=str(path)) for path in paths)


def _same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    keys = {k for net in (a, b) for k in net if not k.startswith("#")}
    return all(k in a and k in b and a[k] == b[k] for k in keys)
