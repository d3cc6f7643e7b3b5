"""What the axes of a layer's parameters are made of, as far as RETURNN knows it: the inputs that a linear layer joins, the gates of its own
recurrent cells. Cells of TensorFlow (`lstm_cell/…`) and attention are of one piece there, and so here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Parts = tuple[tuple[int, ...], ...]  # for each axis, the sizes of its parts


@dataclass(frozen=True)
class Place:
    """Where a variable belongs.

    Attributes:
      layer: the layer of the network that has it, or that has the layer that has it.
      local: its name there.
      parts: of its axes.
    """

    layer: str
    local: str
    parts: Parts


def places(
    net: Mapping[str, Any], values: Mapping[str, np.ndarray], extern_data: Mapping[str, Any]
) -> dict[str, Place]:
    """The place of each variable of a network.

    >>> net = {"l": {"class": "rec", "unit": "lstm", "n_out": 2, "from": ["data"]}}
    >>> places(net, {"l/rec/W": np.zeros((3, 8))}, {"data": {"dim": 3}})
    {'l/rec/W': Place(layer='l', local='W', parts=((3,), (2, 2, 2, 2)))}
    """
    return {name: _place(net, name, np.shape(value), _Sizes(net, extern_data)) for name, value in values.items()}


def _place(net: Mapping[str, Any], name: str, shape: Sequence[int], sizes: _Sizes) -> Place:
    layer = next((key for key in sorted(net, key=len, reverse=True) if name.startswith(f"{key}/")), name.split("/")[0])
    local = name[len(layer) + 1 :]
    options = _computed(net.get(layer))
    inner = _inner(options)
    if inner is not None:
        inside = _place(inner, local.removeprefix("rec/"), shape, sizes.within(inner, options))
        return Place(layer, f"{inside.layer}/{inside.local}", inside.parts)
    local = local.removeprefix("rec/")
    return Place(layer, local, _parts(local, shape, options if isinstance(options, Mapping) else {}, layer, sizes))


def _computed(options: Any) -> Any:
    """The layer that has the parameters: under a mask the unit, whose input is that of the masked computation."""
    while isinstance(options, Mapping) and options.get("class") == "masked_computation":
        unit, source = options.get("unit"), options.get("masked_from") or options.get("from", "data")
        if not isinstance(unit, Mapping):
            break
        names = [_names(source) if name == "data" else [name] for name in _names(unit.get("from", "data"))]
        options = {**unit, "from": [name for group in names for name in group]}
    return options


def _inner(options: Any) -> Mapping[str, Any] | None:
    if not isinstance(options, Mapping):
        return None
    for key in ("subnetwork", "unit"):
        if isinstance(options.get(key), Mapping):
            return options[key]
    return None


def _parts(local: str, shape: Sequence[int], options: Mapping[str, Any], layer: str, sizes: _Sizes) -> Parts:
    parts: list[tuple[int, ...]] = [(size,) for size in shape]
    if not shape:
        return ()
    kind, size = options.get("class"), options.get("n_out")
    if kind in ("rec", "rnn_cell"):
        if local in ("W", "W_re", "b") and isinstance(size, int) and size and shape[-1] % size == 0:
            parts[-1] = (size,) * (shape[-1] // size)
    elif len(shape) == 2 and local == "W":
        joined = sizes.sources(layer)
        if joined is not None and sum(joined) == shape[0] and all(joined):
            parts[0] = tuple(joined)
    return tuple(parts)


class _Sizes:
    """The feature sizes of layers, as far as a dictionary tells them."""

    def __init__(
        self, net: Mapping[str, Any], extern: Mapping[str, Any], outer: _Sizes | None = None, source: Any = None
    ):
        self.net, self.extern, self.outer, self.source = net, extern, outer, source
        self._asked: set[str] = set()  # on the way: a layer in a loop may come back to itself

    def within(self, net: Mapping[str, Any], options: Any) -> _Sizes:
        """Inside of a layer with layers of its own."""
        return _Sizes(net, self.extern, self, options.get("from", "data"))

    def sources(self, layer: str) -> list[int] | None:
        """The sizes of what a layer reads, or None if one is not known."""
        options = _computed(self.net.get(layer))
        if not isinstance(options, Mapping):
            return None
        found = [self.of(name) for name in _names(options.get("from", "data"))]
        return None if None in found else found  # type: ignore[return-value]

    def of(self, name: str) -> int | None:
        """The size of what a name stands for."""
        name = name.removeprefix("prev:")
        if name.startswith("base:") and self.outer is not None:
            return self.outer.of(name.removeprefix("base:"))
        if name.startswith("data") and (name.partition(":")[0] == "data") and name not in self.net:
            return self._data(name.partition(":")[2])
        options = _computed(self.net.get(name))
        if not isinstance(options, Mapping):
            return None
        if isinstance(options.get("n_out"), int):
            return options["n_out"]
        out_type = options.get("out_type")
        if isinstance(out_type, Mapping) and isinstance(out_type.get("dim"), int):
            return out_type["dim"]
        if name in self._asked:
            return None
        self._asked.add(name)
        try:
            return self._of_options(options)
        finally:
            self._asked.remove(name)

    def _of_options(self, options: Mapping[str, Any]) -> int | None:
        inner, kind = _inner(options), options.get("class")
        if inner is not None and "output" in inner:
            return self.within(inner, options).of("output")
        if options.get("target") and kind in ("softmax", "linear", "choice"):
            return self._data(options["target"])
        if kind == "generic_attention" and isinstance(options.get("base"), str):
            return self.of(options["base"])
        found = [self.of(source) for source in _names(options.get("from", "data"))]
        if kind in ("eval", "combine"):
            return next((size for size in found if size is not None), None)
        total = None if None in found else sum(found)  # type: ignore[arg-type]
        return total // options.get("num_pieces", 1) if kind == "reduce_out" and total else total

    def _data(self, key: str) -> int | None:
        if self.outer is not None and key in ("", "source"):
            found = [self.outer.of(name) for name in _names(self.source)]
            return None if None in found else sum(found)  # type: ignore[arg-type]
        entry = self.extern.get(key or "data")
        if isinstance(entry, Mapping):
            return entry.get("dim")
        return entry[0] if isinstance(entry, list | tuple) else entry


def _names(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])
