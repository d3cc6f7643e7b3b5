"""Networks as data: dictionaries of layers on the ledger."""

from __future__ import annotations

import sys
import types
from typing import Any

from tenure.network.dims import Dim, batch_dim, feature_dim, single_step_dim, spatial_dim
from tenure.network.errors import NetworkError
from tenure.network.graph import Flags
from tenure.network.layer import Layer
from tenure.network.model import Network, network
from tenure.network.output import Output
from tenure.network.registry import layer
from tenure.network.result import Result
from tenure.network.tensor import Tensor

__all__ = [
    "Dim",
    "Flags",
    "Layer",
    "Network",
    "NetworkError",
    "Output",
    "Result",
    "Tensor",
    "batch_dim",
    "feature_dim",
    "layer",
    "network",
    "single_step_dim",
    "spatial_dim",
]


class _Callable(types.ModuleType):
    """This package is also the function: `tn.network({...}, ...)`."""

    def __call__(self, *args: Any, **options: Any) -> Network:
        return network(*args, **options)


sys.modules[__name__].__class__ = _Callable
