"""Names for what helpers are handed by the modules above them, which they do not import.

`Graph` and `Node` are those of `tenure.network.graph`, `Layer` is `tenure.network.layer.Layer`, `Run` is `tenure.network.run.Run`, `Network` is `tenure.network.model.Network`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Graph: TypeAlias = Any
Layer: TypeAlias = Any
Run: TypeAlias = Any
Network: TypeAlias = Any
Node: TypeAlias = Any
