"""Which network an epoch has: the key `pretrain` and its relatives."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenure.core.errors import brief, nearest
from tenure.training.config.names import EpochValue
from tenure.training.pretraining.construct import ALGORITHMS, Net, PretrainError

MODES = (None, "ifpossible", "subset", "reset")
_OPTIONS = {
    "repetitions",
    "construction_algo",
    "copy_param_mode",
    "copy_output_layer",
    "greedy",
    "input_layers",
    "output_layers",
}
ENTRIES = ("#config", "#copy_param_mode", "#repetition", "#info", "#trainable", "#finish_all_data")


@dataclass(frozen=True)
class Stage:
    """One network of a pretraining.

    Attributes:
      net: the dictionary, with entries such as `#config`.
      epochs: how many epochs it is trained.
    """

    net: Net
    epochs: int


@dataclass(frozen=True)
class Pretraining:
    """The networks of the first epochs.

    Attributes:
      stages: the networks in order; the last one mostly is the whole network.
      whole: the network of all later epochs.
      copy_param_mode: how parameters are carried to the next network: None (all must fit), "ifpossible", "subset" or "reset".
      copy_output_layer: how those of the output layer are: False is not at all.
      greedy: only layers that are new are trained.
    """

    stages: Sequence[Stage]
    whole: Net = field(repr=False)
    copy_param_mode: str | None = None
    copy_output_layer: Any = "ifpossible"
    greedy: bool = False

    @property
    def epochs(self) -> int:
        """How many epochs it has."""
        return sum(stage.epochs for stage in self.stages)

    def network(self, epoch: int) -> Net:
        """The network of an epoch, counted from 1, with the values that depend on the epoch."""
        left = epoch
        for stage in self.stages:
            left -= stage.epochs
            if left <= 0:
                return resolved(stage.net, epoch)
        return resolved(self.whole, min(epoch, self.epochs))

    def frozen(self, epoch: int) -> frozenset[str]:
        """The layers that greedy pretraining does not train in an epoch: those that the network before had too, but for layers with
        a loss. After pretraining all are trained."""
        if not self.greedy or epoch > self.epochs:
            return frozenset()
        number, left = 0, epoch
        while (left := left - self.stages[number].epochs) > 0:
            number += 1
        if not number:
            return frozenset()
        old, new = self.stages[number - 1].net, self.stages[number].net
        kept = (name for name, of in new.items() if name in old and isinstance(of, Mapping) and not of.get("loss"))
        return frozenset(kept)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Pretraining | None:
        """The pretraining of a config, or None.

        Raises:
          PretrainError: an option is not known, or cannot be used with this network.
        """
        options = _options(config)
        if options is None:
            return None
        net = config.get("network")
        if not isinstance(net, Mapping):
            raise PretrainError("pretrain needs the key 'network'")
        stages, repetitions = _stages(net, options), options.get("repetitions")
        counts = _counts(repetitions, stages)
        mode = options.get("copy_param_mode")
        check_mode("copy_param_mode", mode)
        nets = [{k: v for k, v in stage.items() if k != "#repetition"} for stage in stages]
        return cls(
            [Stage(n, count) for n, count in zip(nets, counts, strict=True)],
            copy.deepcopy(dict(net)),
            mode,
            _output_mode(options.get("copy_output_layer"), mode),
            bool(options.get("greedy")),
        )


def check_mode(option: str, given: Any) -> None:
    """Checks how parameters are copied.

    Args:
      option: where it is written.
      given: one of `MODES`.

    Raises:
      PretrainError: it is none of them.
    """
    if given not in MODES:
        raise PretrainError(f"{option} is {brief(given)}", ways=["None, 'ifpossible', 'subset' or 'reset'"])


def _options(config: Mapping[str, Any]) -> dict[str, Any] | None:
    given = config.get("pretrain")
    if not given:
        return None
    if given in ("default", True) and not (isinstance(given, int) and given is not True):
        options: dict[str, Any] = {}
    elif isinstance(given, Mapping):
        options = dict(given)
    else:
        raise PretrainError(
            f"pretrain is {brief(given)}", ways=["'default'", "{'repetitions': 2, 'construction_algo': …}"]
        )
    for name in ("repetitions", "copy_output_layer", "greedy", "construction_algo"):
        if f"pretrain_{name}" in config:
            options.setdefault(name, config[f"pretrain_{name}"])
    for name in options:
        if name not in _OPTIONS:
            raise PretrainError(f"pretrain has no option {name!r}", near=nearest(str(name), _OPTIONS))
    return options


def _stages(net: Mapping[str, Any], options: Mapping[str, Any]) -> list[Net]:
    algorithm = options.get("construction_algo", "from_output")
    if callable(algorithm):
        return _custom(net, algorithm)
    if algorithm not in ALGORITHMS:
        raise PretrainError(
            f"construction_algo is {brief(algorithm)}",
            near=nearest(str(algorithm), ALGORITHMS),
            ways=[", ".join(ALGORITHMS), "a function"],
        )
    return ALGORITHMS[algorithm](net, options.get("input_layers", ("data",)), options.get("output_layers", ("output",)))


def _custom(net: Mapping[str, Any], algorithm: Callable[..., Net | None]) -> list[Net]:
    """The networks of a function of `idx` and `net_dict`, by these names or in this order, until it gives none; then comes the whole network."""
    call = _by_name if _takes(algorithm, idx=0, net_dict={}) else _by_place
    if call is _by_place and not _takes(algorithm, 0, {}):
        raise PretrainError("pretrain: construction_algo has other arguments", ways=["def construct(idx, net_dict): …"])
    stages: list[Net] = []
    while True:
        made = call(algorithm, len(stages), copy.deepcopy(dict(net)))
        if not made:
            return [*stages, copy.deepcopy(dict(net))]
        if not isinstance(made, Mapping):
            raise PretrainError(f"pretrain: construction_algo gave {brief(made)}", ways=["return a network, or None"])
        stages.append(dict(made))
        if len(stages) > 10_000:
            raise PretrainError(
                "pretrain: construction_algo never gives None", ways=["return None after the last network"]
            )


def _takes(function: Callable[..., Any], *args: Any, **named: Any) -> bool:
    try:
        inspect.signature(function).bind(*args, **named)
    except (TypeError, ValueError):  # ValueError: a function of Python's own that does not tell its arguments
        return False
    return True


def _by_name(algorithm: Callable[..., Net | None], index: int, net: Net) -> Net | None:
    return algorithm(idx=index, net_dict=net)


def _by_place(algorithm: Callable[..., Net | None], index: int, net: Net) -> Net | None:
    return algorithm(index, net)


def _counts(given: Any, stages: Sequence[Net]) -> list[int]:
    """How many epochs each network is trained."""
    count = len(stages)
    counts = [1] * count
    if isinstance(given, Mapping):
        counts = _counts_by_key(given, count)
    elif isinstance(given, list):
        if len(given) > count:
            raise PretrainError(f"pretrain: {len(given)} repetitions for {count} networks")
        last = given[-1] if given else 1
        counts = [*given, *[last] * (count - len(given))]
    elif isinstance(given, int) and given:
        counts = [given] * count
    elif given:
        raise PretrainError(
            f"pretrain: repetitions are {brief(given)}", ways=["a number", "a list", "{'default': 2, 'final': 5}"]
        )
    counts = [int(net.get("#repetition", n)) for net, n in zip(stages, counts, strict=True)]
    if min(counts) < 0 or not any(counts):
        raise PretrainError(f"pretrain: repetitions are {counts}", ways=["0 or more epochs for each, and one for one"])
    return counts


def _counts_by_key(given: Mapping[Any, int], count: int) -> list[int]:
    given = dict(given)
    counts = [given.pop("default", 1)] * count
    if "final" in given and len(given) > 1:
        raise PretrainError(
            "pretrain: repetitions are given by number, or as 'final', not both",
            ways=[f"{{{count - 1}: …}} is the last one"],
        )
    if "final" in given:
        counts[-1] = given.pop("final")
    for index, value in given.items():
        if not isinstance(index, int) or not -count <= index < count:
            raise PretrainError(f"pretrain: repetitions for {index!r}, and there are the networks 0 to {count - 1}")
        counts[index] = value
    return counts


def _output_mode(given: Any, mode: str | None) -> Any:
    chosen = mode or "ifpossible" if given is None else given
    if chosen not in (True, False, *MODES):
        raise PretrainError(f"copy_output_layer is {brief(given)}", ways=["True, False, 'ifpossible' or 'subset'"])
    return False if chosen == "reset" else chosen


def resolved(value: Any, epoch: int) -> Any:
    """A network with its values of the epoch in the place of functions of the epoch.

    >>> resolved({"a": [EpochValue(lambda epoch: epoch + 1)]}, 3)
    {'a': [4]}
    """
    if isinstance(value, EpochValue):
        return value(epoch)
    if isinstance(value, Mapping):
        return {key: resolved(v, epoch) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(resolved(v, epoch) for v in value)
    return value
