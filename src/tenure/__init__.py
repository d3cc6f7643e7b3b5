"""Neural networks on JAX in which every parameter has exactly one owner.

Names are imported when they are used, so that `import tenure` loads no JAX.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tenure._version import __version__

if TYPE_CHECKING:
    from tenure import convert, haiku, initializers, nets, nn, stages
    from tenure.checkpoints import CheckpointManager, restore, save, transfer
    from tenure.core import errors
    from tenure.core.errors import TenureError
    from tenure.core.ledger.ledger import Ledger
    from tenure.core.model.kinds import Transformed, TransformedWithState, evaluation, without_apply_rng
    from tenure.core.model.transform import running_init, training, transform, transform_with_state
    from tenure.core.notation import views
    from tenure.core.notation.refs import Ref
    from tenure.core.notation.stage import on_use
    from tenure.core.run.declare import borrow, declare
    from tenure.core.run.hooks import custom_creator, custom_getter, custom_setter, intercept_methods
    from tenure.core.run.layer_stack import layer_stack
    from tenure.core.run.module import Module, Options, Share, Stages, to_module
    from tenure.core.run.naming import current_name, force_name, name_like, name_scope, transparent
    from tenure.core.run.parameters import get_parameter
    from tenure.core.run.rng import maybe_next_rng_key, next_rng_key, next_rng_keys
    from tenure.core.run.state import get_state, set_state
    from tenure.core.run.transformations import (
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

    network: Any  # a package that can be called, which no checker knows

# Module → the names that it gives.
_NAMES = {
    "tenure.checkpoints": "CheckpointManager restore save transfer",
    "tenure.core.errors": "TenureError",
    "tenure.core.ledger.ledger": "Ledger",
    "tenure.core.model.kinds": "Transformed TransformedWithState evaluation without_apply_rng",
    "tenure.core.model.transform": "running_init training transform transform_with_state",
    "tenure.core.notation.refs": "Ref",
    "tenure.core.notation.stage": "on_use",
    "tenure.core.run.declare": "borrow declare",
    "tenure.core.run.hooks": "custom_creator custom_getter custom_setter intercept_methods",
    "tenure.core.run.layer_stack": "layer_stack",
    "tenure.core.run.module": "Module Options Share Stages to_module",
    "tenure.core.run.naming": "current_name force_name name_like name_scope transparent",
    "tenure.core.run.parameters": "get_parameter",
    "tenure.core.run.rng": "maybe_next_rng_key next_rng_key next_rng_keys",
    "tenure.core.run.state": "get_state set_state",
    "tenure.core.run.transformations": "cond eval_shape fori_loop grad jit map remat scan switch value_and_grad vmap while_loop",
    "tenure.core.slots.plan": "Plan",
    "tenure.core.slots.sources": "forbid own",
    "tenure.core.trees": "combine partition",
    "tenure.surgery.merging": "activate merge pack unmerge",
    "tenure.surgery.ties": "tie untie",
    "tenure.surgery.weights": "assign penalty weights",
}
_MODULES = {
    **{name: f"tenure.{name}" for name in ("convert", "haiku", "initializers", "nets", "network", "nn", "stages")},
    "errors": "tenure.core.errors",
    "views": "tenure.core.notation.views",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "CheckpointManager",
    "Ledger",
    "Module",
    "Options",
    "Plan",
    "Ref",
    "Share",
    "Stages",
    "TenureError",
    "Transformed",
    "TransformedWithState",
    "__version__",
    "activate",
    "assign",
    "borrow",
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
    "haiku",
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
    "restore",
    "running_init",
    "save",
    "scan",
    "set_state",
    "stages",
    "switch",
    "tie",
    "to_module",
    "training",
    "transfer",
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


def __getattr__(name: str) -> Any:
    """A name of `__all__`, imported when it is first used."""
    if name in _MODULES:
        value: Any = importlib.import_module(_MODULES[name])
    elif name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'tenure' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
