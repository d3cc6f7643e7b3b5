"""Which class stands behind which name, and what its `forward` takes."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import os
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tenure.core.errors import nearest
from tenure.network.errors import LayerClassError
from tenure.network.typing import Layer

C = TypeVar("C", bound=type)

_classes: dict[str, type[Layer]] = {}
_loaded = False


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a layer class's `forward` takes.

    Attributes:
      takes: "source" (all inputs, concatenated in their features), "sources" (a list) or "" (none).
      optional: whether `from` may be left out, which gives no inputs.
      options: name → default; `inspect.Parameter.empty` where there is none.
      tensors: the options that name a layer, of which the output is wanted.
      outputs: the options that name a layer, of which everything is wanted (`Output`).
    """

    takes: str
    optional: bool
    options: Mapping[str, Any]
    tensors: frozenset[str]
    outputs: frozenset[str]


def layer(*names: str) -> Callable[[C], C]:
    """Class decorator: the class is known by these names in dictionaries."""

    def register(cls: C) -> C:
        cls.layer_class = names[0]  # type: ignore[attr-defined]
        cls.signature = signature_of(cls)  # type: ignore[attr-defined]
        for name in names:
            _classes[name] = cls
        return cls

    return register


def signature_of(cls: type) -> Signature:
    """Reads `forward`'s parameters: the annotations `Tensor` and `Output` mark references to layers.

    A `forward` that hands its further options (`**options`) to that of its base class takes these too.
    """
    takes, optional = "", False
    options: dict[str, Any] = {}
    notes: dict[str, str] = {}
    for base in cls.__mro__:
        if "forward" not in base.__dict__:
            continue
        parameters = inspect.signature(base.__dict__["forward"]).parameters
        for name, parameter in parameters.items():
            if name in ("source", "sources") and not takes:
                takes, optional = name, parameter.default is not parameter.empty
            elif parameter.kind is parameter.KEYWORD_ONLY and name not in options:
                options[name], notes[name] = parameter.default, str(parameter.annotation)
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            break
    tensors = frozenset(n for n, note in notes.items() if "Tensor" in note)
    outputs = frozenset(n for n, note in notes.items() if "Output" in note) - tensors
    return Signature(takes, optional, options, tensors, outputs)


def load() -> dict[str, type[Layer]]:
    """All layer classes by name."""
    global _loaded
    if not _loaded:
        _loaded = True
        for module in pkgutil.iter_modules([os.path.join(os.path.dirname(__file__), "layers")]):
            importlib.import_module(f"tenure.network.layers.{module.name}")
    return _classes


def find(name: Any, path: str) -> type[Layer]:
    """The class of that name.

    Raises:
      LayerClassError: there is none.
    """
    classes = load()
    if not isinstance(name, str) or name not in classes:
        raise LayerClassError(
            f"layer '{path}': there is no layer class {name!r}",
            near=nearest(str(name), (n for n, cls in classes.items() if not getattr(cls, "refused", False))),
            ways=["correct 'class'", "register your own:  @tn.network.layer('name')"],
        )
    return classes[name]
