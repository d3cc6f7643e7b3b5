"""Networks that are parts of a network: built up from the input, or cut down from the output."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tenure.core.errors import Party
from tenure.training.errors import ConfigError

Net = dict[str, Any]


class PretrainError(ConfigError):
    """A pretraining that cannot be made of this network."""


def from_output(
    net: Mapping[str, Any], inputs: Sequence[str] = ("data",), outputs: Sequence[str] = ("output",)
) -> list[Net]:
    """The output layers on ever more layers: cut down from the whole network, one layer of trained parameters at a time.

    Args:
      net: the whole network.
      inputs: what is no layer, and is never cut away.
      outputs: the layers that are kept, and read what is left.

    >>> net = {"a": {"class": "linear"}, "b": {"class": "linear", "from": ["a"]}, "output": {"class": "softmax", "from": ["b"]}}
    >>> [sorted(n) for n in from_output(net)]
    [['a', 'output'], ['a', 'b', 'output']]
    """
    for name in outputs:
        if name not in net:
            raise PretrainError(f"pretrain from_output: the network has no layer '{name}'", ways=["use 'from_input'"])
    nets, smaller = [copy.deepcopy(dict(net))], copy.deepcopy(dict(net))
    while True:
        before = {source for name in outputs for source in _from(name, smaller[name])}
        sources, cut = _cut(smaller, inputs, outputs)
        if sources == before:
            return _with_new_parameters(nets, outputs)
        for name in outputs:
            smaller[name]["from"] = sorted(sources)
        if not sources & set(inputs) and any(net[name].get("trainable", True) for name in cut):
            nets.insert(0, copy.deepcopy(smaller))


def _cut(net: Net, inputs: Sequence[str], outputs: Sequence[str]) -> tuple[set[str], list[str]]:
    """Takes away the layers that the outputs read. Returns what those read, and which they were."""
    found, cut = set(), []
    for out in outputs:
        front = _from(out, net[out])
        for name in front:
            if name in inputs:
                found.add(name)
                continue
            if name not in net:
                raise PretrainError(
                    f"pretrain from_output: the output would read '{name}', which is no layer that is left",
                    parties=[Party("layer", out, f"reads {sorted(front)}")],
                    ways=[
                        "name what is no layer:  pretrain = {'input_layers': […], …}",
                        "use 'from_input'",
                        "give a function as 'construction_algo'",
                    ],
                )
            found.update(_from(name, net.pop(name)))
            cut.append(name)
    return found, cut


def from_input(
    net: Mapping[str, Any], inputs: Sequence[str] = ("data",), outputs: Sequence[str] = ("output",)
) -> list[Net]:
    """Ever more layers from the input on; layers read the nearest ones that are there.

    Args:
      net: the whole network.
      inputs: is not looked at, as the input is "data".
      outputs: layers that all networks have, as they have each layer that is a softmax or has a target.

    >>> net = {"a": {"class": "linear"}, "b": {"class": "linear", "from": ["a"]}, "output": {"class": "softmax", "from": ["b"]}}
    >>> [sorted(n) for n in from_input(net)]
    [['a', 'output'], ['a', 'b', 'output']]
    """
    nets: list[Net] = []
    while (part := _part(net, len(nets) + 1, outputs)) is not None:
        nets.append(part)
    return _with_new_parameters([*nets, copy.deepcopy(dict(net))], outputs)


def _part(net: Mapping[str, Any], steps: int, outputs: Sequence[str]) -> Net | None:
    """The layers within so many steps of the input, and the outputs; None if this is the whole network."""
    part, front = _fixed(net)
    for _ in range(steps):
        front = [name for name in _readers(net, front) if name not in part]
        part += front
        if not front:
            return None
    part += [name for name in sorted(net) if name not in part and _is_output(net, name, outputs)]
    if all(_there(source, part) for name in part for source in _from(name, net[name])):
        return None
    made = {name: copy.deepcopy(net[name]) for name in part}
    for name in part:
        sources = list(dict.fromkeys(_nearest(net, part, name, {name})))
        if sources != list(_from(name, net[name])):
            made[name]["from"] = [source for source in sources if source != "data"]
    return made


def _fixed(net: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The layers without parameters to train that only such layers divide from the data; and these and the data."""
    part: list[str] = []
    while new := [
        name for name in _readers(net, ["data", *part]) if name not in part and not net[name].get("trainable", True)
    ]:
        part += new
    return part, ["data", *part]


def _readers(net: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [name for name in sorted(net) if _is_layer(net, name) and set(_from(name, net[name])) & set(names)]


def _nearest(net: Mapping[str, Any], part: Sequence[str], name: str, seen: set[str]) -> Iterator[str]:
    """What a layer reads; each layer that is not in the part is replaced by what that reads."""
    for source in _from(name, net[name]):
        if _there(source, part):
            yield source
        elif source not in seen:
            if source not in net:
                raise PretrainError(f"pretrain from_input: layer '{name}' reads '{source}', which is no layer")
            seen.add(source)
            yield from _nearest(net, part, source, seen)


def _there(source: str, part: Sequence[str]) -> bool:
    return source == "data" or source in part


def _with_new_parameters(nets: Sequence[Net], outputs: Sequence[str]) -> list[Net]:
    """The networks with a layer to train that the one before has not, outputs apart; and the last one."""
    kept = []
    for old, new in itertools.pairwise([{}, *nets]):
        if missing := [name for name in old if name not in new]:
            raise PretrainError(f"pretrain: layer '{missing[0]}' is in one network and not in the next")
        if new is nets[-1] or any(_trains(new, name, outputs) for name in new if name not in old):
            kept.append(new)
    return kept


def _trains(net: Mapping[str, Any], name: str, outputs: Sequence[str]) -> bool:
    return _is_layer(net, name) and not _is_output(net, name, outputs) and bool(net[name].get("trainable", True))


def _is_output(net: Mapping[str, Any], name: str, outputs: Sequence[str]) -> bool:
    return _is_layer(net, name) and (name in outputs or net[name].get("class") == "softmax" or "target" in net[name])


def _is_layer(net: Mapping[str, Any], name: str) -> bool:
    return isinstance(net[name], Mapping) and not name.startswith("#")


def _from(name: str, options: Mapping[str, Any]) -> Sequence[str]:
    sources = options.get("from", ["data"])
    if not isinstance(sources, list | tuple):
        raise PretrainError(
            f"pretrain: layer '{name}' reads {sources!r}; networks that are to be taken apart have lists there",
            ways=[f"'from': ['{sources}']", "give a function as 'construction_algo'"],
        )
    return sources


def unmodified(net: Mapping[str, Any], inputs: Sequence[str] = (), outputs: Sequence[str] = ()) -> list[Net]:
    """One network, which is the whole one."""
    return [copy.deepcopy(dict(net))]


ALGORITHMS = {"from_output": from_output, "from_input": from_input, "no_network_modifications": unmodified}
