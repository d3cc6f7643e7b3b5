"""Neural networks on JAX in which every parameter has exactly one owner."""

from __future__ import annotations

import importlib
from typing import Any

from tenure import initializers, nets, nn, stages
from tenure._version import __version__
from tenure.core import errors
from tenure.core.errors import TenureError
from tenure.core.ledger.ledger import Ledger
from tenure.core.model.transform import (
    evaluation,
    running_init,
    training,
    transform,
    transform_with_state,
    without_apply_rng,
)
from tenure.core.notation import views
from tenure.core.notation.refs import Ref
from tenure.core.notation.stage import on_use
from tenure.core.run.declare import borrow, declare
from tenure.core.run.hooks import custom_creator, custom_getter, custom_setter, intercept_methods
from tenure.core.run.layer_stack import layer_stack
from tenure.core.run.module import Module, Share, Stages, to_module
from tenure.core.run.naming import current_name, force_name, name_like, name_scope, transparent
from tenure.core.run.parameters import get_parameter
from tenure.core.run.rng import maybe_next_rng_key, next_rng_key, next_rng_keys
from tenure.core.run.state import get_state, set_state
from tenure.core.run.transformations import (
    checkpoint,
    cond,
    eval_shape,
    fori_loop,
    grad,
    jit,
    map,
    remat,
    scan,
    switch,
    value_and_grad,
    vmap,
    while_loop,
)
from tenure.core.slots.plan import Plan
from tenure.core.slots.sources import forbid, own
from tenure.core.trees import combine, partition
from tenure.surgery.merging import activate, merge, pack, unmerge
from tenure.surgery.ties import tie, untie
from tenure.surgery.weights import assign, penalty, weights

__all__ = [
    "Ledger",
    "Module",
    "Plan",
    "Ref",
    "Share",
    "Stages",
    "TenureError",
    "__version__",
    "activate",
    "assign",
    "borrow",
    "checkpoint",
    "combine",
    "cond",
    "convert",
    "current_name",
    "custom_creator",
    "custom_getter",
    "custom_setter",
    "declare",
    "errors",
    "eval_shape",
    "evaluation",
    "forbid",
    "force_name",
    "fori_loop",
    "get_parameter",
    "get_state",
    "grad",
    "initializers",
    "intercept_methods",
    "jit",
    "layer_stack",
    "map",
    "maybe_next_rng_key",
    "merge",
    "name_like",
    "name_scope",
    "nets",
    "network",
    "next_rng_key",
    "next_rng_keys",
    "nn",
    "on_use",
    "own",
    "pack",
    "partition",
    "penalty",
    "remat",
    "running_init",
    "scan",
    "set_state",
    "stages",
    "switch",
    "tie",
    "to_module",
    "training",
    "transform",
    "transform_with_state",
    "transparent",
    "unmerge",
    "untie",
    "value_and_grad",
    "views",
    "vmap",
    "weights",
    "while_loop",
    "without_apply_rng",
]


_CHECKPOINT = ("CheckpointManager", "restore", "save", "transfer")


def __getattr__(name: str) -> Any:
    """`tn.convert`, `tn.network`, and what checkpoints need, are imported when they are used."""
    if name in _CHECKPOINT:
        return getattr(importlib.import_module("tenure.checkpoints"), name)
    if name in ("convert", "network"):
        return importlib.import_module(f"tenure.{name}")
    raise AttributeError(f"module 'tenure' has no attribute {name!r}")
