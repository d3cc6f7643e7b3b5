"""The mesh of devices that a training runs on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from tenure.core.errors import brief
from tenure.training.errors import ConfigError


def mesh_of(config: Mapping[str, Any]) -> Mesh:
    """The devices of the key `devices`, in one axis "data"; one device if it is not set.

    Raises:
      ConfigError: there are not so many.

    >>> mesh_of({}).shape["data"]
    1
    """
    wanted = config.get("devices") or 1
    there = jax.devices()
    count = len(there) if wanted == "all" else wanted
    if not isinstance(count, int) or not 1 <= count <= len(there):
        raise ConfigError(f"devices is {brief(wanted)}; {len(there)} are there", ways=["a number of them, or 'all'"])
    return Mesh(np.array(there[:count]), ("data",))
