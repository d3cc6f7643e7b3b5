"""Leaves onto the devices that shardings say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax

from tenure.checkpoints.source import Leaf
from tenure.core.errors import RuleError, TenureError, brief, nearest
from tenure.core.trees import flat


def sharding_of(shardings: Any) -> Callable[[str], Any]:
    """Path → sharding, of what `tn.restore(shardings=)` takes.

    Raises:
      RuleError: it is nothing of the kind.
    """
    if shardings is None or isinstance(shardings, jax.sharding.Sharding):
        return lambda path: shardings
    if not isinstance(shardings, Mapping):
        raise RuleError(
            f"shardings are one sharding, or a tree like params, not {brief(shardings)}",
            ways=["plan.ledger.shardings(mesh, rules)"],
        )
    table = flat(shardings, "shardings")

    def choose(path: str) -> Any:
        if path not in table:
            raise RuleError(f"the shardings say nothing of '{path}'", near=nearest(path, table))
        return table[path]

    return choose


def placed(name: str, found: Leaf, sharding: Any) -> Any:
    """A leaf on the devices that a sharding says, which must suit its shape.

    Args:
      name: the leaf's, for the message.
      found: the leaf, not read yet.
      sharding: one of JAX's, a device, or None for the default device.

    Raises:
      RuleError: the sharding does not suit the shape, or is none.
    """
    if sharding is None:
        return found.place(None)
    try:
        if isinstance(sharding, jax.sharding.PartitionSpec):
            raise TypeError("a PartitionSpec needs a mesh")
        if isinstance(sharding, jax.sharding.Sharding) and not getattr(found, "form", "").startswith("prng:"):
            sharding.shard_shape(tuple(found.shape))
        return found.place(sharding)
    except TenureError:
        raise
    except (ValueError, TypeError, LookupError) as e:
        raise RuleError(
            f"'{name}' {tuple(found.shape)} can not be spread as {brief(sharding, 120)}: {brief(str(e), 200)}",
            ways=[
                "jax.sharding.NamedSharding(mesh, spec), with a spec for each parameter",
                "plan.ledger.shardings(mesh, rules)",
            ],
        ) from None


__all__ = ["placed", "sharding_of"]
