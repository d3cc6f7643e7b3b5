"""A call as text: a module shows itself as the call that built it."""

from __future__ import annotations

import inspect
import pprint
import textwrap
from typing import Any


def call_text(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The constructor's call, with names, less the arguments that have their default values.

    >>> class Box:
    ...     def __init__(self, size, color="red"): ...
    >>> call_text(Box, (3,), {"color": "red"})
    'Box(size=3)'
    """
    signature = inspect.signature(cls.__init__)  # type: ignore[misc]
    try:
        bound = signature.bind(None, *args, **kwargs).arguments
    except TypeError:
        bound = dict(kwargs)
    shown: list[tuple[str, Any]] = []
    for parameter in [p for p in signature.parameters.values() if p.name in bound and p.name != "self"]:
        value = bound[parameter.name]
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            shown += [("", item) for item in value]
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            shown += [(f"{key}=", item) for key, item in value.items()]
        elif not _same(value, parameter.default):
            shown.append((f"{parameter.name}=", value))
    line = f"{cls.__name__}({', '.join(name + repr(value) for name, value in shown)})"
    if len(line) <= 80:
        return line
    rows = ",\n".join(_row(name, value) for name, value in shown)
    return f"{cls.__name__}(\n{textwrap.indent(rows, ' ' * 4)},\n)"


def _same(value: Any, default: Any) -> bool:
    try:
        return default is not inspect.Parameter.empty and bool(value == default)
    except Exception:  # arrays, and other values that do not compare to one answer
        return False


def _row(name: str, value: Any) -> str:
    try:
        text = pprint.pformat(value)
    except TypeError:
        text = repr(value)
    return name + (textwrap.indent(text, " " * len(name)).strip() if name else text)
