"""Values that JSON has no words for: tuples, sets, dims, arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenure.core.errors import TenureError
from tenure.network.dims import Dim
from tenure.network.out_shape import MarkedDim
from tenure.returnn.functions import function


class OpaqueValueError(TenureError):
    """A recorded value of which only a description was kept."""


_MARKS = {"ImplicitSparseDim": "sparse", "ImplicitDynSizeDim": "lengths", "OptionalDim": "optional"}


def decode(value: Any, dims: Mapping[str, Dim]) -> Any:
    """A value as it was before it was written as JSON.

    >>> decode({"__type__": "tuple", "v": [1, {"__type__": "float", "v": "inf"}]}, {})
    (1, inf)
    """
    if isinstance(value, list):
        return [decode(v, dims) for v in value]
    if not isinstance(value, dict):
        return value
    if "__type__" not in value:
        return {k: decode(v, dims) for k, v in value.items()}
    return _tagged(value["__type__"], value, dims)


def _tagged(kind: str, value: Mapping[str, Any], dims: Mapping[str, Dim]) -> Any:
    if kind == "dim":
        return dims[value["id"]]
    if kind == "marked_dim":
        inner = value["dim"]
        dim = dims[inner["id"] if isinstance(inner, dict) else inner]
        return MarkedDim(dim, _MARKS[value["cls"]])
    if kind in ("tuple", "set", "list"):
        items = [decode(v, dims) for v in value["v"]]
        return {"tuple": tuple, "set": list, "list": list}[kind](items)
    if kind == "dict":
        return {_key(decode(k, dims)): decode(v, dims) for k, v in value["v"]}
    if kind == "float":
        return float(value["v"])
    if kind == "ndarray":
        return np.asarray(value["v"], dtype=value["dtype"]).reshape(value["shape"])
    if kind == "function" and value.get("source"):
        return function(value["source"], value.get("nonlocals") or {})
    raise OpaqueValueError(f"a value of type {kind!r} was not kept, only its description")


def _key(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key
