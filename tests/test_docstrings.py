"""Public functions say what they take and give: `Args:` for two arguments or more; layers say what axes go in and come out."""

import dataclasses
import importlib
import inspect
import re

import pytest

from tenure.network import registry
from tenure.network.layers.refused import REFUSED

ROOMS = """tenure tenure.nn tenure.nets tenure.functional tenure.initializers tenure.surgery.merging
    tenure.surgery.ties tenure.surgery.weights tenure.stages tenure.checkpoints
    tenure.convert tenure.network tenure.training tenure.functional.decoding tenure.core.ledger.ledger
    tenure.core.ledger.rows tenure.core.ledger.rules tenure.core.model.kinds
    tenure.core.notation.refs tenure.core.notation.view tenure.core.notation.stage tenure.checkpoints.report""".split()
COMMON = {"self", "cls", "name", "share", "stages", "args", "kwargs"}  # what is documented where it is defined


def arguments(function):
    return [p for p in inspect.signature(function).parameters if p not in COMMON and not p.startswith("_")]


def exported(room):
    """The exported functions of a room, and the public methods of its classes that are defined in Tenure."""
    module = importlib.import_module(room)
    names = getattr(module, "__all__", [n for n, f in vars(module).items() if getattr(f, "__module__", "") == room])
    for name in names:
        if name.startswith("_"):
            continue
        found = getattr(module, name)
        if inspect.isfunction(found):
            yield name, found
        elif inspect.isclass(found) and found.__module__.startswith("tenure.") and not issubclass(found, BaseException):
            yield name, found
            for method, value in vars(found).items():
                value = getattr(value, "__func__", value)
                public = inspect.isfunction(value) and (not method.startswith("_") or method == "__init__")
                made = method == "__init__" and dataclasses.is_dataclass(found)  # its attributes are documented
                if public and not made and not overrides(found, method):
                    yield f"{name}.{method}", inspect.unwrap(value)


def overrides(cls, method):
    """Whether a class of Tenure before this one documents the method."""
    before = [
        vars(base)[method] for base in cls.__mro__[1:] if method in vars(base) and base.__module__.startswith("tenure.")
    ]
    return method != "__init__" and any(getattr(value, "__doc__", None) for value in before)


def lacks(name, found):
    """What the docstring of a function or a class does not say."""
    doc = found.__doc__ or ""
    if inspect.isclass(found):
        return "" if doc else "a docstring"
    if not doc:
        return "" if name.endswith(".__init__") and len(arguments(found)) < 2 else "a docstring"
    documented = "Args:" in doc or re.search(r"see `\w+", doc)
    return "Args:" if len(arguments(found)) > 1 and not documented else ""


@pytest.mark.parametrize("room", ROOMS)
def test_exported_functions_say_what_they_take(room):
    missing = [f"{name}: {what}" for name, found in exported(room) if (what := lacks(name, found))]
    assert not missing, "\n".join(missing)


def layers():
    classes = {cls for cls in registry.load().values() if cls.__module__.startswith("tenure.")}
    return sorted((c for c in classes if c.layer_class not in REFUSED), key=lambda cls: cls.__name__)


def test_network_layers_say_what_axes_they_take_and_give():
    """In brackets, `[B, T, F] → [B, T, n_out]`, or in words: "the same axes", "a scalar"."""
    missing = [cls.__name__ for cls in layers() if not re.search(r"\[[^\]]*\]|\baxes\b|\bscalar\b", cls.__doc__ or "")]
    assert not missing, "\n".join(missing)
