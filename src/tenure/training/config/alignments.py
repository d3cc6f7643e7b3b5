"""Alignments that configs make of lengths alone, to start a training from."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from tenure.network import sizes
from tenure.training.errors import ConfigError


def linear_alignment(
    input_lens: Any,
    targets: Any,
    target_lens: Any,
    blank_label_idx: int,
    pad_value: int = 0,
    targets_consume_time: bool = False,
) -> tuple[Any, Any]:
    """Labels at equal distances with blanks in between, as RETURNN's `get_rnnt_linear_aligned_output` gives them.

    Of U labels in S steps, the label number n, counted from 1, stands at step n (S + 1) / (U + 1), rounded. Labels for which there is no
    step are left out.

    Args:
      input_lens: how many frames count [B]; the lengths of a dim, or numbers that are known.
      targets: labels [B, U].
      target_lens: how many of them count [B].
      blank_label_idx: the label of all other steps.
      pad_value: what stands after the last step.
      targets_consume_time: whether a label takes a frame (S is the number of frames), or not (S is frames and labels together).

    Returns:
      The labels and blanks [B, S], and how many of them count [B].

    Raises:
      ConfigError: nobody knows how many steps there are at most.

    >>> linear_alignment(jnp.array([4]), jnp.array([[7, 8, 9]]), jnp.array([3]), blank_label_idx=0)[0]
    Array([[0, 7, 0, 8, 0, 9, 0]], dtype=int32)
    """
    lengths = input_lens if targets_consume_time else input_lens + target_lens
    steps = _most(input_lens) + (0 if targets_consume_time else targets.shape[1])
    batch, count = targets.shape
    number = jnp.arange(1, count + 1, dtype=jnp.float32)
    among = jnp.maximum(lengths, target_lens)
    distance = (among + 1).astype(jnp.float32) / (target_lens + 1).astype(jnp.float32)
    at = jnp.clip(jnp.round(number * distance[:, None]).astype(jnp.int32) - 1, 0, among[:, None] - 1)
    there = (jnp.arange(count) < target_lens[:, None]) & (at < lengths[:, None])
    out = jnp.full((batch, steps), blank_label_idx, targets.dtype)
    out = out.at[jnp.arange(batch)[:, None], jnp.where(there, at, steps)].set(targets, mode="drop")
    return jnp.where(jnp.arange(steps) < lengths[:, None], out, pad_value), lengths


def _most(lengths: Any) -> int:
    """The largest length that there may be."""
    if not isinstance(lengths, jax.core.Tracer):
        return int(lengths.max())
    dim = sizes.current().dim_of(lengths)
    if dim is None:
        raise ConfigError(
            "the lengths of an alignment are computed: nobody knows how many steps there are at most",
            ways=["the lengths of an input: source(0, as_data=True, auto_convert=False).get_sequence_lengths()"],
        )
    return sizes.current().padded(dim)
