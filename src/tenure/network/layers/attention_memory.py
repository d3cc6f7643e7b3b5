"""What self-attention keeps from one batch to the next: the keys and values of the sequences that came before.

Source: Dai et al. 2019, https://arxiv.org/abs/1901.02860.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.state import get_state, set_state
from tenure.network.layer import Layer
from tenure.network.layers.rec_state import KEPT, scope

_NOTHING = (None, "zeros", "ones", 0, 1)  # there are no keys to be zeros or ones


@dataclasses.dataclass(frozen=True)
class Memory:
    """Keys and values of earlier sequences.

    Attributes:
      arrays: `k_left` and `v_left` [B, heads, steps, n].
      keep: which steps of which sequence count [B, steps].
    """

    arrays: Mapping[str, Any]
    keep: Any

    @property
    def size(self) -> Any:
        """The number of steps."""
        return 0 if self.keep is None else self.keep.shape[1]

    def with_room(self, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        """The array at the beginning of a larger one."""
        zeros = jnp.zeros(shape, dtype)
        return jax.lax.dynamic_update_slice(zeros, self.arrays[name].astype(dtype), (0,) * 4) if self.size else zeros

    def seen(self, n: Any, at: Any) -> Any:
        """Which of `n` keys, these and those of a loop, a step sees that is the key at `at`; broadcasts to [B, heads, n]."""
        so_far = jnp.arange(n) <= at
        if not self.size:
            return so_far
        counts = jnp.pad(self.keep, ((0, 0), (0, n - self.size)), constant_values=True)
        return (counts & so_far)[:, None]

    def ahead(self, name: str, x: Any) -> Any:
        """The array ahead of what the sequence itself has, [B, steps, heads, n]."""
        return jnp.concatenate([jnp.swapaxes(self.arrays[name], 1, 2).astype(x.dtype), x], axis=1) if self.size else x

    def mask(self, own: Any, batch: int, time: int) -> Any:
        """A mask of the sequence's own keys, with these ahead; broadcasts to [B, heads, queries, keys]."""
        if not self.size:
            return own
        own = jnp.ones((1, time), bool) if own is None else own
        own = own.reshape((1,) * (4 - own.ndim) + own.shape)
        before = jnp.broadcast_to(self.keep[:, None, None], (batch, own.shape[1], own.shape[2], self.size))
        return jnp.concatenate([before, jnp.broadcast_to(own, (batch, *own.shape[1:3], time))], axis=-1)


EMPTY = Memory({}, None)


def recalled(layer: Layer, batch: int, keys: tuple[int, int], values: tuple[int, int]) -> Memory:
    """What the layer's `initial_state` says that there is from before.

    Args:
      layer: the layer.
      batch: how many sequences there are; those of a batch of another size are forgotten.
      keys, values: numbers of heads and features.
    """
    written = layer.node.get("initial_state")
    if written in KEPT:
        with scope(layer):
            found = {
                name: get_state(f"keep_state_{name}", (1, heads, 0, n), jnp.float32, jnp.zeros)
                for name, (heads, n) in (("k_left", keys), ("v_left", values))
            }
            keep = get_state("keep_state_mask_left", (1, 0), jnp.bool_, jnp.zeros)
        return Memory(found, keep) if keep.shape[0] == batch and keep.shape[1] else EMPTY
    if (isinstance(written, (str, int, float)) and written in _NOTHING) or written is None:
        return EMPTY
    raise layer.error(
        "initial_state",
        written,
        "attention starts without keys, or with those of the batch before",
        ["'zeros', 'keep_over_epoch', 'keep_over_epoch_no_init'"],
    )


def remember(layer: Layer, old: Memory, arrays: Mapping[str, Any], keep: Any) -> None:
    """Keeps keys and values for the next batch.

    Args:
      layer: the layer; with `restrict_state_to_last_seq`, it keeps none but those of the last sequence.
      old: what there was before.
      arrays: `k_left` and `v_left` [B, heads, steps, n], with what there was before.
      keep: which of the new steps count [B, steps].
    """
    if layer.node.get("initial_state") not in KEPT:
        return
    if layer.node.get("restrict_state_to_last_seq"):
        arrays = {name: x[:, :, old.size :] for name, x in arrays.items()}
    elif old.size:
        keep = jnp.concatenate([old.keep, keep], axis=1)
    with scope(layer):
        for name, x in arrays.items():
            set_state(f"keep_state_{name}", x)
        set_state("keep_state_mask_left", keep)
