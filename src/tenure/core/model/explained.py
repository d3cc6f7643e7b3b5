"""Errors of JAX's and Python's in the words of the model: axes that nobody maps, meshes, traced values that got out, nesting."""

from __future__ import annotations

import re
import traceback

import jax

from tenure.core.errors import LeakedTracerError, NestingError, Party, ShardingError, TenureError, UnboundAxisError
from tenure.core.sites import Site, raised_at, user_site

_CALLS = ("wrapped", "_construct")
_MANY = 50  # calls of modules inside one another; fewer, and something else recurses


def explained(error: Exception, applying: bool) -> tuple[TenureError | None, Exception | None]:
    """The error of a run of a model, None if JAX's or Python's stays; and what is shown as the cause.

    Args:
      error: JAX's or Python's.
      applying: whether the model is applied: planning and initialising need no map for a mapped axis.
    """
    if isinstance(error, NameError):
        axis = unbound_axis(error) if applying else None
        return (None if axis is None else _not_mapped(error, axis)), None
    if isinstance(error, RecursionError):
        return _too_deep(error), None
    return (_leaked if isinstance(error, jax.errors.UnexpectedTracerError) else _misplaced)(error), error


def unbound_axis(error: NameError) -> str | None:
    """The axis that JAX says is not bound; None if the error is about something else."""
    found = re.search(r"unbound axis name: ([^\s.]+)", str(error))
    return found[1] if found else None


def _not_mapped(error: NameError, axis: str) -> UnboundAxisError:
    """The error of a model that averages over an axis, and is applied outside of the map that has it."""
    return UnboundAxisError(
        f"the axis '{axis}' is not mapped here: the model averages, or counts its lanes, over it",
        parties=[Party("asker", axis, "a mapped axis", str(raised_at(error)))],
        ways=[
            f"map it:  jax.vmap(model.apply, in_axes=(None, None, None, 0), axis_name='{axis}')(params, state, key, xs)",
            f"over devices:  jax.shard_map with a mesh that has the axis '{axis}'",
            "on one device: build the layer without it, cross_replica_axis=None",
        ],
    )


def _misplaced(error: Exception) -> ShardingError | None:
    """The error of an operation whose result may lie on a mesh in several ways, or in none; None if it is about something else.

    Meshes with explicit axes, which `jax.make_mesh` makes unless it is told otherwise, ask for such results to be told.
    """
    said = str(error)
    if type(error).__name__ != "ShardingTypeError" and "should be replicated. Got P(" not in said:
        return None
    calls = [f.f_locals for f, _ in traceback.walk_tb(error.__traceback__) if f.f_code.co_name == "wrapped"]
    paths = [found["path"] for found in calls if isinstance(found.get("path"), str)]
    shown = re.split(r"\.\s|\n", said)[0][:120]
    path = paths[-1] if paths else "the model's function"
    return ShardingError(
        f"JAX cannot tell how a result of {path} lies on the mesh: {shown}",
        parties=[Party("module" if paths else "asker", path, "", str(raised_at(error)))],
        ways=[
            "spread the batch axis of the inputs only, and not one that is sliced, scanned or summed over:  P('data')",
            "let XLA decide:  jax.make_mesh(shape, names, axis_types=(jax.sharding.AxisType.Auto,) * len(names))",
            "say how the array lies before that operation:  jax.sharding.reshard(x, P(…))",
        ],
    )


def _leaked(error: Exception) -> LeakedTracerError:
    """The error of a traced value that is used after its function has returned."""
    made = re.search(r"with type (\S+)[\s\S]*created on line (.+?):(\d+)(?::\d+)? \((.*)\)", str(error))
    what, file, line, function = made.groups() if made else ("", "", "0", "")
    return LeakedTracerError(
        "a traced value is used outside of the function in which it was made",
        parties=[
            Party("made in", function or "(JAX does not say)", what, str(Site(file, int(line), None, 0))),
            Party("used", "", "", str(raised_at(error))),
        ],
        ways=[
            "do not keep arrays of one call (in a global, on self of an object that lives longer) for another call",
            "use tn.jit, tn.vmap, tn.scan, … instead of the jax ones inside of tn.transform",
            "return the value from the function",
        ],
    )


def _too_deep(error: RecursionError) -> NestingError | None:
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
