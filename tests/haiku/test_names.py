"""Every public name of dm-haiku is in `tenure.haiku`, with the same signature."""

from __future__ import annotations

import importlib
import inspect
import types
from typing import Any

import pytest

MODULES = [
    "",
    "config",
    "data_structures",
    "experimental",
    "experimental.jaxpr_info",
    "initializers",
    "mixed_precision",
    "nets",
    "pad",
    "testing",
    "typing",
]
# Exported by dm-haiku without being in its `__all__`.
UNLISTED = {"": ["SeparableDepthwiseConv2D"], "experimental": ["fast_eval_shape"]}
OURS = {  # names that dm-haiku does not have
    "": {"declare_global_parameter", "get_global_parameter", "JaxUsageError", "MissingRNGError", "NonEmptyStateError"}
    | {"install", "ownership", "SeparableDepthwiseConv2D", "uninstall"},
    "experimental": {"fast_eval_shape", "ParamContext"},
    "typing": {"Initializer"},
}


def _modules(name: str) -> tuple[types.ModuleType, types.ModuleType]:
    suffix = f".{name}" if name else ""
    return importlib.import_module("haiku" + suffix), importlib.import_module("tenure.haiku" + suffix)


def _public(module: types.ModuleType) -> set[str]:
    listed = getattr(module, "__all__", None)
    return set(listed if listed is not None else (n for n in dir(module) if not n.startswith("_")))


def _theirs(name: str) -> list[str]:
    module, _ = _modules(name)
    found = _public(module) | set(UNLISTED.get(name, ()))
    return sorted(n for n in found if n != "annotations")


PUBLIC = [(module, name) for module in MODULES for name in _theirs(module)]


def _shape(function: Any) -> list[tuple[str, Any, Any]] | None:
    """Names, kinds and defaults of the arguments; None if it has no signature."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return [(p.name, p.kind, _default(p.default)) for p in parameters]


def _default(value: Any) -> Any:
    return getattr(value, "__name__", None) or repr(value)


@pytest.mark.parametrize("module, name", PUBLIC, ids=[f"{m or 'haiku'}.{n}" for m, n in PUBLIC])
def test_name_and_signature(module: str, name: str) -> None:
    theirs, ours = (getattr(m, name) for m in _modules(module))
    if isinstance(theirs, types.ModuleType):
        assert isinstance(ours, types.ModuleType)
    elif callable(theirs) and not _is_alias(theirs):
        assert _shape(ours) == _shape(theirs)


def _is_alias(value: Any) -> bool:
    """Whether it is a type for annotations."""
    return type(value).__module__ in ("typing", "types", "collections.abc")


@pytest.mark.parametrize("module", [m for m in MODULES if m])
def test_nothing_else_is_public(module: str) -> None:
    theirs, ours = _modules(module)
    assert _public(ours) - _public(theirs) - OURS.get(module, set()) <= {"annotations"}


def _methods(cls: type) -> set[str]:
    return {n for n in dir(cls) if not n.startswith("_") and callable(getattr(cls, n, None))}


@pytest.mark.parametrize("module", ["", "nets"])
def test_methods_of_classes(module: str) -> None:
    theirs, ours = _modules(module)
    for name in _theirs(module):
        cls = getattr(theirs, name)
        if name in ("ModuleProtocol", "SupportsCall"):  # the methods are checked by their own rules
            continue
        if isinstance(cls, type) and name[0].isupper() and cls.__module__.startswith("haiku"):
            missing = _methods(cls) - _methods(getattr(ours, name))
            assert not missing, (name, missing)
