"""The mesh of devices that a training runs on, and how parameters lie on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from tenure.core.errors import brief
from tenure.core.ledger.ledger import Ledger
from tenure.training.errors import ConfigError
from tenure.training.optimizing.carry import owner

DATA = "data"  # the axis that the rows of a batch are spread over


def mesh_of(config: Mapping[str, Any]) -> Mesh:
    """The devices of the keys `devices` and `mesh`; one device if neither is set.

    Args:
      config: `devices` is a number or "all", all of them in the axis "data"; `mesh` names axes: {"data": 2, "model": 4}, where one size
        may be -1 for what is left of the devices.

    Raises:
      ConfigError: there are not so many, or an axis has no size.

    >>> mesh_of({}).shape["data"], dict(mesh_of({"mesh": {"model": 1}}).shape)
    (1, {'data': 1, 'model': 1})
    """
    there, axes = jax.devices(), config.get("mesh")
    wanted = config.get("devices") or ("all" if axes and -1 in dict(axes).values() else None)
    count = len(there) if wanted == "all" else wanted
    if count is not None and (not isinstance(count, int) or not 1 <= count <= len(there)):
        raise ConfigError(f"devices is {brief(wanted)}; {len(there)} are there", ways=["a number of them, or 'all'"])
    sizes = _sizes(axes, count) if axes else {DATA: count or 1}
    total = math.prod(sizes.values())
    if total > len(there) or (count is not None and total != count):
        raise ConfigError(
            f"mesh {brief(sizes)} has {total} devices, and {count or len(there)} are there",
            ways=["sizes whose product is the number of devices", "-1 for one of them", "devices = 'all'"],
        )
    return Mesh(np.array(there[:total]).reshape(tuple(sizes.values())), tuple(sizes))


def _sizes(axes: Any, count: int | None) -> dict[str, int]:
    good = isinstance(axes, Mapping) and all(
        isinstance(k, str) and isinstance(v, int) and (v > 0 or v == -1) for k, v in axes.items()
    )
    if not good or list(axes.values()).count(-1) > 1:
        raise ConfigError(f"mesh is {brief(axes)}", ways=["{'data': 2, 'model': 4}", "{'data': -1, 'model': 2}"])
    sizes = {DATA: 1, **axes} if DATA not in axes else dict(axes)
    if -1 in sizes.values():
        known = math.prod(v for v in sizes.values() if v > 0)
        sizes = {k: (count or known) // known if v == -1 else v for k, v in sizes.items()}
    return sizes


def rules_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The key `sharding`: globs of owners → mesh axes of their dims.

    Args:
      config: `sharding` is {"ff*/W": (None, "model"), "embed/W": "model"}.

    Raises:
      ConfigError: it is no such table.
    """
    given = config.get("sharding") or {}
    if not isinstance(given, Mapping):
        raise ConfigError(f"sharding is {brief(given)}", ways=["{'ff*/W': (None, 'model')}"])
    return {rule: PartitionSpec(*axes) if isinstance(axes, list | tuple) else axes for rule, axes in given.items()}


def shardings(tree: Any, mesh: Mesh, ledger: Ledger, rules: Mapping[str, Any]) -> Any:
    """How parameters, states and optimizer states lie on the devices of a mesh.

    What belongs to an owner that a rule selects, of its shape, lies as the owner does; all else is on every device.

    Args:
      tree: of arrays, with parameters under {module: {name: …}}, or (module, name).
      mesh: of devices.
      ledger: of the model.
      rules: for `ledger.shardings`.

    Raises:
      RuleError: a rule selects no owner, or one that only borrows; the message names the owner.
    """
    everywhere = NamedSharding(mesh, PartitionSpec())
    table = ledger.shardings(mesh, rules) if rules else {}
    shapes = {row.path: tuple(row.shape) for row in ledger.rows if row.collection == "params"}

    def of(path: Any, leaf: Any) -> Any:
        keys = [k.key for k in path if isinstance(k, jax.tree_util.DictKey)]
        name = owner(path) or "/".join(map(str, keys[-2:]))
        module, _, local = name.rpartition("/")
        same = shapes.get(name) == np.shape(leaf)
        return table[module][local] if same and local in table.get(module, {}) else everywhere

    return jax.tree_util.tree_map_with_path(of, tree)
