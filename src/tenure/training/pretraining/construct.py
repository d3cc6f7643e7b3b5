"""Networks that are parts of a network: built up from the input, or cut down from the output."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from tenure.core.errors import Party
from tenure.training.errors import ConfigError

Net = dict[str, Any]


class PretrainError(ConfigError):
    """A pretraining that cannot be made of this network."""


def from_output(net: Mapping[str, Any]) -> list[Net]:
    """The output layer on ever more layers: cut down from the whole network, one layer of trained parameters at a time.

    >>> net = {"a": {"from": ["data"]}, "b": {"from": ["a"]}, "output": {"from": ["b"]}}
    >>> [sorted(n) for n in from_output(net)]
    [['a', 'output'], ['a', 'b', 'output']]
    """
    if "output" not in net:
        raise PretrainError("pretrain from_output: the network has no layer 'output'", ways=["use 'from_input'"])
    nets = [copy.deepcopy(dict(net))]
    while True:
        smaller = copy.deepcopy(nets[0])
        sources = _cut(smaller)
        if not sources or any(_is_input(smaller, name) for name in sources):
            return nets
        smaller["output"]["from"] = sorted(sources)
        nets.insert(0, smaller)


def _cut(net: Net) -> set[str]:
    """Takes away the layers that the output reads, and those before them without parameters to train; returns what is read then."""
    front = set(_sources(net, "output"))
    if "data" in front:
        return set()
    found: set[str] = set()
    for name in sorted(front):
        options = net.pop(name, {})
        pending = list(_from(name, options))
        if not options.get("trainable", True):
            pending = _beyond(net, pending)
        found.update(pending)
    for name in found - {"data"}:
        if name not in net:
            raise PretrainError(
                f"pretrain from_output: the output would read '{name}', which is cut away already",
                parties=[Party("layer", "output", f"reads {sorted(front)}")],
                ways=["use 'from_input'", "give a function as 'construction_algo'"],
            )
    return found


def _is_input(net: Mapping[str, Any], name: str) -> bool:
    """Whether a layer is the data, or only layers without parameters to train lie in between."""
    if name == "data" or name not in net:
        return name == "data"
    return not net[name].get("trainable", True) and any(_is_input(net, source) for source in _sources(net, name))


def _beyond(net: Net, names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        options = net.pop(name, None)
        found += [name] if options is None else list(_from(name, options))
    return found


def from_input(net: Mapping[str, Any]) -> list[Net]:
    """Ever more layers from the input on; layers with a loss read the nearest ones that are there.

    >>> net = {"a": {"from": ["data"]}, "b": {"from": ["a"]}, "output": {"from": ["b"], "loss": "ce"}}
    >>> [sorted(n) for n in from_input(net)]
    [['a', 'output'], ['a', 'b', 'output']]
    """
    hidden = {name for name, options in net.items() if isinstance(options, Mapping) and "loss" not in options}
    outputs = [name for name in net if name not in hidden]
    present: set[str] = set()
    front, nets = {"data"}, []
    while True:
        front = _next(net, hidden - present, front)
        if not front:
            break
        present |= front
        nets.append(_with(net, present, outputs))
    return [*nets[:-1], copy.deepcopy(dict(net))]


def _next(net: Mapping[str, Any], candidates: set[str], front: set[str]) -> set[str]:
    """The layers that read the front, through those without parameters to train."""
    new = {name for name in candidates if set(_sources(net, name)) & front}
    fixed = {name for name in new if not net[name].get("trainable", True)}
    return new | _next(net, candidates - new, fixed) if fixed else new


def _with(net: Mapping[str, Any], present: set[str], outputs: Sequence[str]) -> Net:
    part = {name: copy.deepcopy(options) for name, options in net.items() if name in present or name in outputs}
    for name in outputs:
        if not isinstance(part[name], Mapping):
            continue
        sources = _present(net, _sources(net, name), present)
        if sources != list(_sources(net, name)):
            part[name]["from"] = sources
    return part


def _present(net: Mapping[str, Any], names: Sequence[str], present: set[str]) -> list[str]:
    """The layers that stand for `names` among those that are there: each that is not is replaced by what it reads."""
    found: list[str] = []
    for name in names:
        found += [name] if name in present or name == "data" else _present(net, _sources(net, name), present)
    return list(dict.fromkeys(found))


def _sources(net: Mapping[str, Any], name: str) -> Sequence[str]:
    return _from(name, net[name])


def _from(name: str, options: Mapping[str, Any]) -> Sequence[str]:
    sources = options.get("from", ["data"])
    if not isinstance(sources, list | tuple):
        raise PretrainError(
            f"pretrain: layer '{name}' reads {sources!r}; networks that are to be taken apart have lists there",
            ways=[f"'from': ['{sources}']", "give a function as 'construction_algo'"],
        )
    return sources


def unmodified(net: Mapping[str, Any]) -> list[Net]:
    """One network, which is the whole one."""
    return [copy.deepcopy(dict(net))]


ALGORITHMS = {"from_output": from_output, "from_input": from_input, "no_network_modifications": unmodified}
