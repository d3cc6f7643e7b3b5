"""Modules nested deeper than Python's stack goes."""

from __future__ import annotations

import traceback

from tenure.core.errors import NestingError, Party
from tenure.core.sites import user_site

_CALLS = ("wrapped", "_construct")
_MANY = 50  # calls of modules inside one another; fewer, and something else recurses


def too_deep(error: RecursionError) -> NestingError | None:
    """The error of modules that are nested too deep; None if it is something else that recurses."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    calls = [f for f in frames if f.f_code.co_filename.endswith("module.py") and f.f_code.co_name in _CALLS]
    if len(calls) < _MANY:
        return None
    last = calls[-1]
    path = max((str(f.f_locals.get("path") or "") for f, _ in traceback.walk_stack(last)), key=len, default="")
    if not path:  # the constructors of modules run inside one another, before the modules have names
        path = f"{last.f_locals.get('cls', type(last.f_locals.get('self'))).__name__}.__init__".lower()
    shown = path if len(path) < 60 else f"{path[:30]}…{path[-25:]}"
    return NestingError(
        f"modules are nested deeper than Python's recursion limit allows, at '{shown}'",
        parties=[Party("module", shown, "", str(user_site(last)))],
        ways=[
            "allow more, before the model is planned:  sys.setrecursionlimit(20_000)",
            "build layers side by side, in a list, and call one after the other",
            "layers that are alike:  tn.layer_stack(n)(layer)(x)",
        ],
    )
