"""Leaves of params that a model never asks for: those of an adapter that it lacks, misspelt ones, and foreign modules."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from tenure.core.errors import Party, UnknownLeafError, nearest
from tenure.core.notation import paths
from tenure.core.trees import leaf

log = logging.getLogger("tenure")


def extra_leaves(params: Mapping[str, Mapping[str, Any]], known: Iterable[str]) -> list[str]:
    """The paths of leaves that are not among the known ones."""
    known = frozenset(known)
    return [p for m, entries in params.items() for n in entries if (p := f"{m}/{n}") not in known]


def check_extras(extras: list[str], params: Mapping[str, Any], known: Mapping[str, Any], strict: bool | None) -> None:
    """Says what is wrong with leaves that a model lacks.

    Args:
      extras: their paths.
      params: as given to `apply`.
      known: the model's slots.
      strict: True: all are errors. None: those of stages, and those in modules that the model has, are; other modules are
        told.

    Raises:
      UnknownLeafError: they are errors.
    """
    modules = {paths.split(path)[0] for path in known}
    staged = [p for p in extras if _owner_of(p) in known]
    inside = [p for p in extras if p not in staged and paths.split(p)[0] in modules]
    foreign = [p for p in extras if p not in staged and p not in inside]
    wrong = {
        "leaves of stages that the model lacks": staged,
        "leaves that no module of the model asks for": inside,
        "modules that the model lacks": foreign if strict else [],
    }
    for what, found in wrong.items():
        if found:
            raise _error(what, found, params, known)
    if foreign:
        names = list(dict.fromkeys(paths.split(p)[0] for p in foreign))
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        log.warning("apply was given modules that the model lacks: %s (transform with strict=True or False)", shown)


def _owner_of(path: str) -> str:
    module, name = paths.split(path)
    return paths.join(module, name.partition(".")[0]) if "." in name else ""


def _error(what: str, found: list[str], params: Any, known: Mapping[str, Any]) -> UnknownLeafError:
    first, owner = found[0], _owner_of(found[0])
    module, name = paths.split(first)
    if owner in known:
        stage, parties = name.split(".")[1], [known[owner].party("model")]
        ways = [
            f"give the model the stage:  tn.transform(f, stages={{'{owner}': ['{stage}(…)']}})",
            f"merge it in the model that has it:  tn.merge(plan, params, '{owner}', '{stage}')",
            "leave them out on purpose:  tn.transform(f, strict=False)",
        ]
    else:
        parties = [slot.party("model") for path, slot in known.items() if paths.split(path)[0] == module][:1]
        ways = [
            f"correct the name, or delete it:  del params['{module}']['{name}']",
            "leave such leaves out on purpose:  tn.transform(f, strict=False)",
            "rename them:  tn.transfer(plan, params, rename={…})",
        ]
    shapes = {p: tuple(getattr(leaf(params, p), "shape", ())) for p in found[:6]}
    given = [Party("params", p, str(shape), "", "the params given to apply") for p, shape in shapes.items()]
    return UnknownLeafError(
        f"the params given to apply have {what}: {', '.join(found[:3])}" + (", …" if len(found) > 3 else ""),
        parties=given + parties,
        near=nearest(first, known) if owner not in known else (),
        ways=ways,
    )
