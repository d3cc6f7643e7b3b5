"""What goes through pickle must be found by another process: functions of no module are named."""

from __future__ import annotations

import functools
import inspect
import pickle
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tenure.core.errors import NotSerialisableError, Party, brief
from tenure.core.notation.refs import Ref
from tenure.core.sites import Site

_OTHER_PICKLERS = ("cloudpickle", "dill")  # they also take functions that no module has


def check_picklable(function: Callable[..., Any] | None, ties: Mapping[str, Any], stages: Mapping[str, Any]) -> None:
    """Raises unless another process can find a model's functions. For a method that pickle calls, which calls this one itself.

    Args:
      function: the model's; None for a plan, which has none.
      ties: slot → what it borrows.
      stages: glob → stages.

    Raises:
      NotSerialisableError: the model's function, or one in its ties or stages, is no module's; the message names it.
    """
    caller = sys._getframe(2)
    if caller.f_globals.get("__name__", "").partition(".")[0] in _OTHER_PICKLERS:
        return
    if function is not None:
        _check(function, "the model's function", "define it at the top of a module, with def")
    for what, entries in (("tie", ties), ("stages", stages)):
        for key, value in entries.items():
            for function in _functions(value):
                _check(function, f"the {what} for '{key}'", "register the view:  tn.views.register('name', fn)")


def _functions(value: Any) -> list[Any]:
    """The plain Python functions in a tie, or in a list of stages."""
    if isinstance(value, (list, tuple)):
        return [function for part in value for function in _functions(part)]
    if isinstance(value, Ref):
        return [f for view in value.views for f in _functions(view)]
    arguments = getattr(value, "arguments", None)
    found = arguments.values() if isinstance(arguments, Mapping) else ()
    return [f for f in found if inspect.isfunction(f) or inspect.ismethod(f)]


def _check(function: Any, what: str, way: str) -> None:
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    try:
        pickle.dumps(function)
    except Exception as e:
        code = getattr(inspect.unwrap(inner), "__code__", None) if callable(inner) else None
        site = Site(code.co_filename, code.co_firstlineno, None, 0) if code else ""
        name = getattr(inner, "__qualname__", type(inner).__name__)
        raise NotSerialisableError(
            f"pickle cannot take {what}, '{name}', since no module has it under that name: {brief(str(e), 120)}",
            parties=[Party("function", name, "", str(site))],
            ways=[way, "pickle params, state and plan.ledger, and transform the function again where they are read"],
        ) from None
