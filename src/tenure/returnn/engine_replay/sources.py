"""Functions of recorded cases, from their source. A case is a config, and a config is code that runs."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from tenure.returnn.engine_replay.cases import Source


def evaluate(source: Source, **names: Any) -> Any:
    """The value of an expression, or the function that a `def` defines.

    >>> evaluate(Source("lambda x: x + 1"))(1), evaluate(Source("def f(x):\\n    return -x"))(1)
    (2, -1)
    """
    scope: dict[str, Any] = {"numpy": np, "np": np, "copy": copy, **names}
    if source.lstrip().startswith(("def ", "import ", "from ")):
        before = set(scope)
        exec(source, scope)
        return next(scope[name] for name in reversed(scope) if name not in before and name != "__builtins__")
    return eval(source, scope)


def evaluated(value: Any, **names: Any) -> Any:
    """A value with all the sources in it evaluated."""
    if isinstance(value, Source):
        return evaluate(value, **names)
    if isinstance(value, dict):
        return {key: evaluated(v, **names) for key, v in value.items()}
    if isinstance(value, list | tuple | set):
        return type(value)(evaluated(v, **names) for v in value)
    return value
