"""What can be known of a training before it starts: its keys, its files, its networks, and one batch of each of its data sets."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

from tenure.core.errors import TenureError, brief, nearest
from tenure.network.dims import Dim
from tenure.network.model import Network
from tenure.returnn.checkpoints import entries
from tenure.training.batching.arrays import Padded
from tenure.training.config.config import Config
from tenure.training.config.keys import check_keys, wrong_keys
from tenure.training.config.loading import failure
from tenure.training.data.classes import dataset
from tenure.training.data.registry import check_class
from tenure.training.engine.early_stopping import best_is_old
from tenure.training.engine.feeding import Feed, check_not_empty
from tenure.training.engine.log import Log
from tenure.training.engine.memory import Memory, device_memory, shapes, told
from tenure.training.engine.mesh import mesh_of, rules_of
from tenure.training.engine.model import SEARCHING, TRAINING, build
from tenure.training.engine.models import to_keep
from tenure.training.engine.settings import evaluation_options, evaluation_sets, named, training_options, values
from tenure.training.engine.step import Steps, compute_dtype
from tenure.training.engine.tasks import TASKS
from tenure.training.engine.training import Training
from tenure.training.errors import ConfigError, DataSetError
from tenure.training.optimizing.updater import Updater, layers_with_options

_FILES = ("files", "path", "segment_file")  # and all options that end in "_file"
_DATA_SETS = ("train", "dev", "eval", "eval_datasets")  # of `#config`, of which no network depends
_SHAPES, _SECONDS = 4, 10.0  # of batches whose memory is estimated
_MOST = 5  # missing files of one data set that are named


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
      about: what: "keys", "network of epoch 1", "data set 'train'", …
      says: what it is, or what is wrong with it.
      wrong: whether the training cannot do with it.
    """

    about: str
    says: str
    wrong: bool = False


def findings(config: Config, measure: bool = False) -> Iterator[Finding]:
    """Looks at all that can be checked without training. Nothing is written.

    Args:
      config: that was loaded.
      measure: whether each shape of batches is compiled, so that XLA says how much memory it needs; else that is estimated.
    """
    given = values(config)
    task = str(given.get("task") or "train")
    wrong = wrong_keys(config)
    for error in wrong.values():
        yield Finding("keys", str(error), wrong=True)
    if not wrong:
        yield _tried("keys", lambda: _keys(config, task))
    given = {key: value for key, value in given.items() if key not in wrong}  # the rest is looked at without them
    training: list[Training] = []
    yield _tried("settings", lambda: _settings(given, training))
    networks: dict[int, Network] = {}
    epochs = _epochs(training[0], given) if training and "extern_data" not in wrong else []
    for epoch in _different(epochs, training):
        yield _tried(f"network of epoch {epoch}", lambda: _network(training[0], epoch, networks, task))  # noqa: B023
    layer = given.get("search_output_layer")
    if networks and task == "train" and isinstance(layer, str) and not callable(given.get("get_model")):
        yield _tried("search", lambda: _searched(training[0], max(networks), layer))
    yield _tried("checkpoints", lambda: _checkpoints(given))
    for name, options, defaults in _data_sets(given, task):
        missing = list(missing_files(options))
        if missing:
            for says in (*_wrong_classes(options), _told(missing)):
                yield Finding(f"data set {name!r}", says, wrong=True)
        else:
            network = networks[max(networks)] if networks and "batch_size" not in wrong else None
            fed: list[tuple[Feed, Padded]] = []
            yield _tried(f"data set {name!r}", lambda: _data(given, name, options, defaults, network, fed))  # noqa: B023
            if name == "train" and task == "train" and network is not None and fed:
                yield from _memory(training[0], max(networks), network, *fed[0], measure)


def _memory(
    training: Training, epoch: int, network: Network, feed: Feed, example: Padded, measure: bool
) -> Iterator[Finding]:
    """How much memory a step needs, for each shape of batches, the largest first."""
    options = layers_with_options(network.graph(TRAINING).nodes)
    config = training.config_of(epoch)
    steps = Steps(network, Updater(config, network.trainable(), options), mesh_of(config))
    found, began = shapes(feed), time.monotonic()
    try:
        memory = Memory(steps, feed, example)
        for number, (shape, batches) in enumerate(found.items()):
            need = memory.measured(shape) if measure else memory.estimated(shape)
            too_much = device_memory() is not None and need.bytes > (device_memory() or 0)
            yield Finding(*told(need, batches), wrong=too_much and measure)
            if (
                not measure
                and (number + 1 == _SHAPES or time.monotonic() - began > _SECONDS)
                and number + 1 < len(found)
            ):
                yield Finding("memory", f"{len(found) - number - 1} smaller shapes more; --compile measures all")
                return
    except (TenureError, OSError) as error:
        yield Finding("memory", str(error), wrong=True)


def _tried(about: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(about, check())
    except TenureError as error:
        return Finding(about, str(error), wrong=True)
    except Exception as error:
        told = failure(error) or (error if isinstance(error, OSError) else None)
        if told is None:
            raise
        return Finding(about, str(told), wrong=True)


def _keys(config: Config, task: str) -> str:
    unread = check_keys(config)
    if task not in TASKS:
        raise ConfigError(f"task is {brief(task)}", near=nearest(task, TASKS), ways=[", ".join(TASKS)])
    return f"task {task}" + (f"; names that are no keys: {', '.join(sorted(unread))}" if unread else "")


def _settings(given: Mapping[str, Any], training: list[Training]) -> str:
    made = Training(given, Log(0))
    if given.get("cleanup_old_models"):
        to_keep((), given["cleanup_old_models"], {})
    devices, precision = mesh_of(given).size, compute_dtype(given)
    best_is_old(given, made.rates, 0)
    training.append(made)
    control = given.get("learning_rate_control") or "constant"
    shown = f", computing in {precision.__name__}" if precision is not None else ""
    return f"learning_rate_control {control}, {devices} device{'s' * (devices > 1)}{shown}"


def _epochs(training: Training, given: Mapping[str, Any]) -> list[int]:
    """Where networks change: the first epoch, those of pretraining, and the last one."""
    found, first = [1], 1
    for stage in training.pretraining.stages if training.pretraining is not None else ():
        first += stage.epochs
        found.append(first)
    last = int(given.get("num_epochs") or 5)
    changes = callable(given.get("get_network")) and training.pretraining is None and last > 1
    return [*found, last] if changes else found


def _different(epochs: Sequence[int], training: Sequence[Training]) -> Iterator[int]:
    """The epochs whose networks are not like those of an epoch before, but for real numbers and the files that layers write."""
    seen: list[Mapping[str, Any]] = []
    for epoch in epochs:
        try:
            net = training[0].network_of(epoch)
        except Exception:  # is told where the network is built
            yield epoch
            continue
        if isinstance(config := net.get("#config"), Mapping):
            net = {**net, "#config": {k: v for k, v in config.items() if k not in _DATA_SETS}}
        if not any(_alike(net, other) for other in seen):
            seen.append(net)
            yield epoch


def _alike(a: Any, b: Any, around: frozenset[tuple[int, int]] = frozenset()) -> bool:
    """Whether two parts of dictionaries of layers make the same layers, with the same `#config`.

    Args:
      a, b: the parts.
      around: the pairs that are compared already, by identity: a function may refer to itself.
    """
    if a is b or (id(a), id(b)) in around:
        return True
    around |= {(id(a), id(b))}
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        keys = [{k for k in x if _matters(k, x)} for x in (a, b)]
        return keys[0] == keys[1] and all(_alike(a[k], b[k], around) for k in keys[0])
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(_alike(x, y, around) for x, y in zip(a, b, strict=True))
    if isinstance(a, FunctionType) and isinstance(b, FunctionType):
        return a.__code__ is b.__code__ and _alike(_bound(a), _bound(b), around)
    if isinstance(a, float) and isinstance(b, float):
        return True
    if isinstance(a, Dim) and isinstance(b, Dim):  # a function that makes networks may make their dims each time
        return (a.name, a.size, a.kind, a.capacity) == (b.name, b.size, b.kind, b.capacity)
    return type(a) is type(b) and isinstance(a, str | int) and a == b


def _matters(key: Any, of: Mapping[Any, Any]) -> bool:
    """Whether an entry of a network, a layer or an option may change what is built."""
    if str(key).startswith("#"):
        return key == "#config"
    return key != "filename" or "class" not in of  # a layer's own file is one that it writes


def _bound(function: FunctionType) -> list[Any]:
    """The values that a function was made with."""
    found = [function.__defaults__, function.__kwdefaults__]
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # not assigned yet
            found.append(cell.cell_contents)
    return found


def _searched(training: Training, epoch: int, layer: str) -> str:
    """Builds what a search needs for `search_output_layer`, of which the network of training need not know."""
    graph = build(training.config_of(epoch), training.network_of(epoch)).graph(SEARCHING, [layer])
    return f"{layer!r} of {len(graph.nodes)} layers"


def _network(training: Training, epoch: int, networks: dict[int, Network], task: str) -> str:
    config = training.config_of(epoch)
    network = build(config, training.network_of(epoch))
    searching = task == "search"
    plan = network.plan(train=not searching, search=searching)
    if not searching:
        Updater(config, network.trainable(), layers_with_options(network.graph(TRAINING).nodes))
    if rules := rules_of(given := training.with_rules(config, epoch, plan.ledger)):
        plan.ledger.shardings(mesh_of(given), rules)
    mode = SEARCHING if searching else TRAINING
    _there(entry.filename for entry in entries([network.graph(mode)]).values())
    networks[epoch] = network
    outputs = getattr(plan.out, "outputs", {})  # a model of get_model has none before it is asked for them
    shapes = ", ".join(f"{key} {tensor}" for key, tensor in outputs.items()) or "a model of get_model"
    return f"{len(network.net)} layers, {plan.ledger.count():,} parameters; {shapes}"


def _checkpoints(given: Mapping[str, Any]) -> str:
    entries = given.get("preload_from_files") or {}
    wanted = [given.get("load"), given.get("import_model_train_epoch1")]
    wanted += [of.get("filename") for of in entries.values() if isinstance(of, Mapping)]
    names = [str(name) for name in wanted if name]
    _there(names)
    return f"{len(names)} to read" if names else "none to read"


def _there(names: Iterable[str]) -> None:
    """Raises for checkpoints that are not there."""
    missing = [n for n in names if not Path(n).exists() and not Path(f"{n.removesuffix('.index')}.index").exists()]
    if missing:
        raise ConfigError(_told(missing))


def _data_sets(given: Mapping[str, Any], task: str) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """(name, options, options that hold where it says nothing) of the data sets that a task reads."""
    evaluation = evaluation_options(given)
    if task in ("train", "compute_priors"):
        yield "train", named(given, given.get("train")), training_options(given)
    if task in ("train", "eval"):
        for name, options in evaluation_sets(given).items():
            yield name, named(given, options), evaluation
    if task in ("forward", "search"):
        name = f"{task}_data" if given.get(f"{task}_data") else "eval"
        yield name, named(given, given.get(name)), evaluation if task == "forward" else {}


def missing_files(options: Any) -> Iterator[str]:
    """The files and folders that options of a data set name, and that are not there.

    >>> list(missing_files({"class": "MetaDataset", "datasets": {"a": {"class": "HDFDataset", "files": ["none.hdf"]}}}))
    ['none.hdf']
    """
    if not isinstance(options, Mapping):
        return
    for key, value in options.items():
        if isinstance(value, Mapping):
            yield from missing_files(value)
        if isinstance(key, str) and (key in _FILES or key.endswith("_file")):
            named_here = list(value.values()) if isinstance(value, Mapping) else value
            for name in named_here if isinstance(named_here, list | tuple) else [named_here]:
                if isinstance(name, str) and not Path(name).exists():
                    yield name


def _wrong_classes(options: Any) -> Iterator[str]:
    """What is wrong with the class of a data set, or of those that it is made of."""
    if not isinstance(options, Mapping):
        return
    parts = options.get("datasets")
    parts = parts.values() if isinstance(parts, Mapping) else parts if isinstance(parts, list | tuple) else ()
    for part in (options.get("dataset"), *parts):
        yield from _wrong_classes(part)
    try:
        check_class(options.get("class"))
    except DataSetError as error:
        yield str(error)


def _told(missing: list[str]) -> str:
    more = f", and {len(missing) - _MOST} more" if len(missing) > _MOST else ""
    return f"not there: {', '.join(map(_with_near, missing[:_MOST]))}{more}"


def _with_near(name: str) -> str:
    """A file that is not there, with the nearest name of those in its folder."""
    folder = Path(name).parent
    near = nearest(Path(name).name, [each.name for each in folder.iterdir()], 1) if folder.is_dir() else []
    return f"{name!r}" + (f" (but '{folder / near[0]}' is)" if near else "")


def _data(
    given: Mapping[str, Any],
    name: str,
    options: Any,
    defaults: Mapping[str, Any],
    network: Network | None,
    fed: list[tuple[Feed, Padded]],
) -> str:
    """Opens a data set, and has the network, if there is one, take the shapes of its first batch, which goes to `fed`."""
    if options is None:
        raise ConfigError(
            f"the config has no data set {name!r}", ways=[f"{name} = {{'class': 'HDFDataset', 'files': […]}}"]
        )
    if network is None:
        return f"{dataset(options, **defaults).count():,} sequences"
    training = name == "train"
    feed = Feed.of(options, defaults, given, network, training=training, name=name)
    with contextlib.closing(feed.batches(1)) as batches:  # type: ignore[type-var]
        batch = next(batches, None)
    if batch is None:
        check_not_empty(0, f"the data set {name!r}")
    assert batch is not None
    network.plan(feed.fed(batch), train=training)
    fed.append((feed, batch))
    shapes = ", ".join(f"{key} {batch.arrays[key].shape}" for key in feed.keys)
    return f"{feed.data.count():,} sequences; first batch: {shapes}"
