"""Padding of convolutions, as functions from the kernel's extent to the padding before and behind."""

from __future__ import annotations

from tenure.nn.padding import (
    PadFn,
    causal,
    create,
    create_from_padfn,
    create_from_tuple,
    full,
    is_padfn,
    reverse_causal,
    same,
    valid,
)

__all__ = [
    "PadFn",
    "causal",
    "create",
    "create_from_padfn",
    "create_from_tuple",
    "full",
    "is_padfn",
    "reverse_causal",
    "same",
    "valid",
]
