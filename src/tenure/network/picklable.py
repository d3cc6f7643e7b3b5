"""What a network is made of must be found by another process: functions in a dictionary are named that are not."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from typing import Any

from tenure.core.errors import Party, brief
from tenure.core.sites import Site
from tenure.network.errors import NetworkError


def check_picklable(net: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Raises unless pickle can take all functions of a network.

    Raises:
      NetworkError: it cannot; the message names the layer, the option and the line of the function.
    """
    for where, function in [*_functions(net, "layer"), *_functions(config, "config")]:
        try:
            pickle.dumps(function)
        except Exception as e:
            code = getattr(function, "__code__", None)
            site = str(Site(code.co_filename, code.co_firstlineno, None, 0)) if code else ""
            name = getattr(function, "__qualname__", type(function).__name__)
            raise NetworkError(
                f"pickle cannot take the function '{name}' of {where}, since no module has it: {brief(str(e), 120)}",
                parties=[Party("function", name, "", site)],
                ways=["define it at the top of a module, with def", "write it as a string, as 'eval' takes it"],
            ) from None


def _functions(value: Any, where: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Functions in a nested dictionary, with where they are: layer 'output', 'eval'."""
    if depth > 100:  # a dictionary that contains itself: pickle says so
        return
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _functions(part, f"{where}{',' * bool(depth)} '{key}'", depth + 1)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _functions(part, where, depth + 1)
    elif callable(value) and not isinstance(value, type):
        yield where, value


__all__ = ["check_picklable"]
