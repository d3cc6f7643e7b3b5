"""One recorded case: JSON and arrays, read into dims, inputs and a dictionary of layers."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tenure.network.dims import Dim, batch_dim, single_step_dim
from tenure.network.extern import Template
from tenure.network.tensor import Tensor
from tenure.returnn.replay.tagged import decode


class Case:
    """A case as recorded.

    Attributes:
      data: the JSON.
      arrays: the arrays that it refers to.
    """

    def __init__(self, data: Mapping[str, Any], arrays: Mapping[str, np.ndarray]):
        self.data, self.arrays = data, arrays

    def __repr__(self) -> str:
        return f"Case({self.data['id']})"

    def array(self, ref: Mapping[str, Any] | None) -> np.ndarray:
        """The array that a reference stands for: stored whole, stored in part, or generated."""
        if ref is None:
            raise KeyError("no value was recorded")
        if "array" in ref:
            return self.arrays[ref["array"]]
        if "sample" in ref:
            return self.arrays[ref["sample"]]
        if "strings" in ref:
            return np.array(ref["strings"], dtype=object).reshape(ref["shape"])
        state = np.random.RandomState(ref["seed"])
        values = ref["offset"] + state.uniform(-ref["scale"], ref["scale"], size=tuple(ref["shape"]))
        return values.astype(ref["dtype"])

    @functools.cached_property
    def dims(self) -> dict[str, Dim]:
        """The dims that the dictionary and the inputs refer to, by id."""
        entries = self.data.get("dims", {})
        made: dict[str, Dim] = {}
        for key in entries:
            _make_dim(key, entries, made)
        return made

    @functools.cached_property
    def net(self) -> dict[str, Any]:
        """The dictionary of layers."""
        return decode(self.data["net_dict"], self.dims)

    @functools.cached_property
    def extern_data(self) -> dict[str, Template]:
        """The declared inputs."""
        found = {}
        for key, entry in self.data["extern_data"].items():
            dims = tuple(self.dims[d] for d in entry["dims"])
            sparse = self.dims[entry["sparse_dim"]] if entry.get("sparse_dim") else None
            tensor = Tensor(None, dims, sparse, entry["time_dim_axis"], entry["feature_dim_axis"])
            found[key] = Template(tensor, np.dtype(entry["dtype"]), entry.get("available_for_inference", True))
        return found

    @functools.cached_property
    def batch(self) -> dict[str, Tensor]:
        """The inputs, with the lengths of their dims."""
        found = {}
        for key, entry in self.data.get("inputs", {}).items():
            if entry.get("value") is None or key not in self.extern_data or "strings" in entry["value"]:
                continue
            template = self.extern_data[key].tensor
            lengths = {}
            for dim, of in zip(template.dims, entry["template"]["dims"], strict=True):
                if of.get("seq_lens") and of["seq_lens"] in self.data["sizes"] and dim.root.size is None:
                    value = self.array(self.data["sizes"][of["seq_lens"]])
                    lengths[dim] = Tensor(value, self._size_dims(of, value.ndim))
            found[key] = Tensor(
                self.array(entry["value"]),
                template.dims,
                template.sparse_dim,
                template.time_axis,
                template.feature_axis,
                lengths=lengths,
            )
        return found

    def _size_dims(self, axis: Mapping[str, Any], ndim: int) -> tuple[Dim, ...]:
        if ndim == 0:
            return ()
        names = axis.get("size_dims") or ["batch"]
        linked = self.data["out_dims"]
        return tuple(batch_dim() if n == "batch" else self.dims[linked[n]["user_dims"][0]] for n in names)

    def values(self) -> dict[str, np.ndarray]:
        """The parameters' recorded values by name."""
        return {p["name"]: self.array(p["value"]) for p in self.data.get("params", [])}

    def lengths(self, key: str) -> np.ndarray:
        """Recorded lengths."""
        return self.array(self.data["sizes"][key])


def load(path: str | Path) -> Case:
    """Reads a case.

    Args:
      path: of the JSON; arrays are in the .npz beside it, if there are any.
    """
    path = Path(path)
    data = json.loads(path.read_text())
    arrays = path.with_suffix(".npz")
    if not arrays.exists():
        return Case(data, {})
    with np.load(arrays, allow_pickle=False) as file:
        return Case(data, dict(file))


def _make_dim(key: str, entries: Mapping[str, Any], made: dict[str, Dim]) -> Dim:
    if key in made:
        return made[key]
    entry = entries[key]
    made[key] = dim = _new_dim(entry, entries, made)
    if entry.get("same_as") and made.get(entry["same_as"]) is not dim:
        dim.declare_same_as(_make_dim(entry["same_as"], entries, made))
    return dim


def _new_dim(entry: Mapping[str, Any], entries: Mapping[str, Any], made: dict[str, Dim]) -> Dim:
    special = {"batch_dim": batch_dim(), "single_step_dim": single_step_dim}.get(entry.get("special", ""))
    if special is not None:
        return special
    op = entry.get("op")
    if op and op["kind"] != "constant":
        return _derived(op["kind"], [_operand(i, entries, made) for i in op["inputs"]])
    if entry["kind"] == "batch":
        return batch_dim()
    return Dim(
        entry["size"],
        entry["name"],
        kind=entry["kind"] or "spatial",
        auto=bool(entry.get("auto_generated")),
        match_priority=entry.get("match_priority") or 0,
    )


def _operand(key: str, entries: Mapping[str, Any], made: dict[str, Dim]) -> Any:
    op = entries[key].get("op") or {}
    if op.get("kind") == "constant":
        return op["attribs"]["value"]
    return _make_dim(key, entries, made)


def _derived(kind: str, operands: list[Any]) -> Any:
    first, *rest = operands
    for other in rest:
        if kind == "add":
            first = first + other
        elif kind == "mul":
            first = first * other
        elif kind in ("floordiv", "truediv_left", "truediv_right"):
            first = first // other
        elif kind == "ceildiv":
            first = first.ceildiv(other)
        else:
            raise ValueError(f"a dim by {kind!r} is not known")
    return first
