"""Losses that were computed for one hypothesis of many, as one loss of all."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from tenure.network.dims import Dim
from tenure.network.losses.base import LossValue
from tenure.network.output import Output
from tenure.network.tensor import Tensor

_PARTS = Dim(3, "loss, error, norm factor")
_NAME = "loss of "


def packed(loss: LossValue) -> Output:
    """Value, error and norm factor as a tensor, to leave a lane."""
    parts = (loss.loss, loss.error, loss.norm_factor)
    return Output(Tensor(jnp.stack([jnp.asarray(0.0 if p is None else p, jnp.float32) for p in parts]), (_PARTS,)))


def summed(like: LossValue, lanes: Any) -> LossValue:
    """The loss of all lanes [lanes, 3]: sums of values and errors, and the factor that makes means of these sums.

    Args:
      like: the loss of any lane.
      lanes: what `packed` gave for each.
    """
    total = jnp.sum(lanes, axis=0)
    factor = 1.0 / jnp.maximum(jnp.sum(1.0 / jnp.maximum(lanes[:, 2], 1e-30)), 1e-30)
    value, error = (None if p is None else x for p, x in zip((like.loss, like.error), total[:2], strict=True))
    return dataclasses.replace(like, loss=value, error=error, norm_factor=factor, frames=(None, None))


def hide(out: Output, losses: Mapping[str, LossValue]) -> Output:
    """An output that takes losses with it out of a lane."""
    return dataclasses.replace(out, subs={**out.subs, **{_NAME + name: packed(x) for name, x in losses.items()}})


def unhide(out: Output, losses: Mapping[str, LossValue]) -> tuple[Output, dict[str, LossValue]]:
    """The output of all lanes without the losses, and these.

    Args:
      out: what the lanes gave.
      losses: the losses of any lane.
    """
    found = {name: summed(x, out.subs[_NAME + name].tensor.data) for name, x in losses.items()}
    subs = {k: v for k, v in out.subs.items() if not k.startswith(_NAME)}
    return dataclasses.replace(out, subs=subs), found
