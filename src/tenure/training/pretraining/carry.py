"""Parameters of one network in the next one of a pretraining: whole, in part, or afresh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tenure.core.errors import Party, brief
from tenure.training.pretraining.construct import PretrainError
from tenure.training.pretraining.parts import Place, places
from tenure.training.pretraining.plan import check_mode

Values = Mapping[str, np.ndarray]  # by variable name, such as "lstm/rec/W"


def carried(
    old_net: Mapping[str, Any],
    old: Values,
    new_net: Mapping[str, Any],
    new: Values,
    extern_data: Mapping[str, Any],
    *,
    mode: str | None = None,
    output: Any = None,
    growing: bool = True,
) -> dict[str, np.ndarray]:
    """The values with which the next network starts.

    Args:
      old_net, old: the network until now, and its values.
      new_net, new: the next network, and its initial values.
      extern_data: sizes of the streams, as configs have them.
      mode: `copy_param_mode`: None and "ifpossible" take what has the same shape, "subset" takes the parts that both have, "reset" takes
        nothing. `#copy_param_mode` of the next network and `custom_param_importer` of a layer come first.
      output: `copy_output_layer`: False takes nothing for layers with a loss.
      growing: whether this is a change of a pretraining. If not, mode None wants all shapes equal.

    Raises:
      PretrainError: there is no such mode, a layer has lost a parameter, or shapes differ where they must not.
    """
    own = new_net.get("#copy_param_mode")
    check_mode("#copy_param_mode", own)
    check_mode("copy_param_mode", mode)
    before, after = places(old_net, old, extern_data), places(new_net, new, extern_data)
    gone = {(p.layer, p.local) for p in before.values()} - {(p.layer, p.local) for p in after.values()}
    found = dict(new)
    for layer in {place.layer for place in after.values()}:
        chosen = _mode(new_net, layer, own or mode, None if own and output is not False else output, growing)
        if chosen == "reset" or layer not in {place.layer for place in before.values()}:
            continue
        _nothing_lost(layer, gone)
        for name, value in _of_layer(layer, before, after, old, new, chosen or ("ifpossible" if growing else "")):
            found[name] = value
    return found


def _mode(net: Mapping[str, Any], layer: str, mode: str | None, output: Any, growing: bool) -> str | None:
    options = net.get(layer)
    if isinstance(options, Mapping):
        if options.get("custom_param_importer"):
            return options["custom_param_importer"]
        if growing and "loss" in options and output is not None:
            return "reset" if output is False else mode if output is True else output
    return mode


def _nothing_lost(layer: str, gone: set[tuple[str, str]]) -> None:
    lost = [local for name, local in gone if name == layer]
    if lost:
        raise PretrainError(
            f"pretrain: layer '{layer}' has the parameter '{lost[0]}' no more, and its values cannot be carried on",
            parties=[Party("layer", layer)],
            ways=["'#copy_param_mode': 'reset' in the network", "another name for the new layer"],
        )


def _of_layer(
    layer: str, before: Mapping[str, Place], after: Mapping[str, Place], old: Values, new: Values, mode: str
) -> Iterator[tuple[str, np.ndarray]]:
    sources = {place.local: name for name, place in before.items() if place.layer == layer}
    for name, place in after.items():
        source = sources.get(place.local)
        if place.layer != layer or source is None:
            continue
        a, b = np.asarray(old[source]), np.asarray(new[name])
        if a.shape == b.shape and before[source].parts == place.parts:
            yield name, a
        elif mode == "subset":
            yield name, _subset(name, a, before[source].parts, b, place.parts)
        elif a.shape == b.shape:
            yield name, a
        elif mode != "ifpossible":
            raise PretrainError(
                f"parameter '{name}' has another shape in the next network",
                parties=[Party("before", source, brief(a.shape)), Party("after", name, brief(b.shape))],
                ways=[
                    "copy_param_mode: 'ifpossible' takes what fits",
                    "copy_param_mode: 'subset' takes what both have",
                ],
            )


def _subset(
    name: str, old: np.ndarray, old_parts: Sequence[Sequence[int]], new: np.ndarray, new_parts: Sequence[Sequence[int]]
) -> np.ndarray:
    """`new` with the values of `old` wherever both have a place, part by part on every axis."""
    if old.ndim != new.ndim or any(_gates(a) != _gates(b) for a, b in zip(old_parts[1:], new_parts[1:], strict=False)):
        raise PretrainError(
            f"parameter '{name}' is made of other parts in the next network",
            parties=[Party("before", name, brief(old.shape)), Party("after", name, brief(new.shape))],
            ways=["'#copy_param_mode': 'ifpossible'", "another name for the new layer"],
        )
    result = np.array(new)
    _fill(result, old, old_parts, new_parts, ())
    return result


def _gates(parts: Sequence[int]) -> int:
    return len(parts)


def _fill(
    result: np.ndarray,
    old: np.ndarray,
    old_parts: Sequence[Sequence[int]],
    new_parts: Sequence[Sequence[int]],
    chosen: tuple[tuple[slice, slice], ...],
) -> None:
    axis = len(chosen)
    if axis == result.ndim:
        result[tuple(b for _, b in chosen)] = old[tuple(a for a, _ in chosen)]
        return
    start_old = start_new = 0
    for a, b in zip(old_parts[axis], new_parts[axis], strict=False):
        size = min(a, b)
        pair = (slice(start_old, start_old + size), slice(start_new, start_new + size))
        _fill(result, old, old_parts, new_parts, (*chosen, pair))
        start_old, start_new = start_old + a, start_new + b
