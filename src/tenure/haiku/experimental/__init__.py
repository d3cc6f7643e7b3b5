"""What may still change in Haiku; rarely used rooms are loaded when they are asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tenure.core.run.hooks import DO_NOT_STORE, GetterContext, MethodContext, intercept_methods
from tenure.core.run.naming import force_name, name_like
from tenure.haiku.api.asking import (
    current_name,
    custom_creator,
    custom_getter,
    get_current_state,
    get_initial_state,
    get_params,
    maybe_get_rng_sequence_state,
    replace_rng_sequence_state,
)
from tenure.haiku.api.layer_stack import LayerStackTransparencyMapping, layer_stack
from tenure.haiku.api.lifting import (
    LiftWithStateUpdater,
    lift,
    lift_with_state,
    transparent_lift,
    transparent_lift_with_state,
)
from tenure.haiku.config import check_jax_usage, module_auto_repr, rng_reserve_size
from tenure.haiku.engine.naming import name_scope

if TYPE_CHECKING:
    from tenure.haiku.experimental import flax, jaxpr_info
    from tenure.haiku.experimental.dot import abstract_to_dot, to_dot
    from tenure.haiku.experimental.shapes import fast_eval_shape, optimize_rng_use
    from tenure.haiku.experimental.summary import ArraySpec, MethodInvocation, ModuleDetails, eval_summary, tabulate

ParamContext = GetterContext  # the older name

_ROOMS = {
    "abstract_to_dot": "dot",
    "to_dot": "dot",
    "fast_eval_shape": "shapes",
    "optimize_rng_use": "shapes",
    "ArraySpec": "summary",
    "MethodInvocation": "summary",
    "ModuleDetails": "summary",
    "eval_summary": "summary",
    "tabulate": "summary",
}


def __getattr__(name: str) -> Any:
    if name in ("flax", "jaxpr_info"):
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_ROOMS[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS, "flax", "jaxpr_info"})


__all__ = [
    "DO_NOT_STORE",
    "ArraySpec",
    "GetterContext",
    "LayerStackTransparencyMapping",
    "LiftWithStateUpdater",
    "MethodContext",
    "MethodInvocation",
    "ModuleDetails",
    "ParamContext",
    "abstract_to_dot",
    "check_jax_usage",
    "current_name",
    "custom_creator",
    "custom_getter",
    "eval_summary",
    "fast_eval_shape",
    "flax",
    "force_name",
    "get_current_state",
    "get_initial_state",
    "get_params",
    "intercept_methods",
    "jaxpr_info",
    "layer_stack",
    "lift",
    "lift_with_state",
    "maybe_get_rng_sequence_state",
    "module_auto_repr",
    "name_like",
    "name_scope",
    "optimize_rng_use",
    "replace_rng_sequence_state",
    "rng_reserve_size",
    "tabulate",
    "to_dot",
    "transparent_lift",
    "transparent_lift_with_state",
]
