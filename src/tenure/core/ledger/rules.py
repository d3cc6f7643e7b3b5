"""Rules that go by owner: globs, labels, shardings, placement. `Ledger` has them as methods.

`rows` are the slots of `params`, by path.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import numpy as np

from tenure.core.errors import RuleError, brief, nearest
from tenure.core.ledger.row import Row
from tenure.core.notation import paths

Rows = Mapping[str, Row]


def globs(rule: Any) -> list[str]:
    """One glob, or several.

    Raises:
      RuleError: it is neither.
    """
    if isinstance(rule, str):
        return [rule]
    if isinstance(rule, (list, tuple, set, frozenset)) and all(isinstance(glob, str) for glob in rule):
        return list(rule)
    raise RuleError(f"a rule is a glob, or several, not {brief(rule)}", ways=["'**/w', or ['embed/w', '**/b']"])


def select(rows: Rows, glob: str) -> list[str]:
    """The owners that a glob selects.

    Raises:
      RuleError: it selects none.
    """
    if not isinstance(glob, str):
        raise RuleError(f"a rule is a glob such as '**/w', not {brief(glob)}", ways=["'**/w', 'encoder/**', 'embed/w'"])
    glob, at, stage = glob.partition("@")
    if at:
        return _kept_by(rows, glob or "**", stage)
    owners, borrowers = ([p for p, r in rows.items() if r.kind == kind] for kind in ("owned", "borrowed"))
    found = paths.select(glob, owners)
    if found:
        return found
    users = paths.select(glob, borrowers)
    if users:
        user = rows[users[0]]
        owner = rows.get(user.owners[0], user)
        raise RuleError(
            f"the rule '{glob}' is written for '{user.path}', which is borrowed: rules go by owner",
            parties=[user.party("user"), owner.party("owner")],
            ways=[
                f"write it for the owner:  '{owner.path}'",
                f"for this use only:  a view, such as '{user.borrows or owner.path} | stop_gradient'",
            ],
        )
    raise RuleError(
        f"the rule {brief(glob)} selects nothing",
        near=nearest(glob, [*owners, *borrowers]),
        ways=["'**' matches across '/', '*' within a name", "print(ledger) shows all paths"],
    )


def _kept_by(rows: Rows, glob: str, stage: str) -> list[str]:
    """Leaves that stages of a name keep for some owners."""
    kept = [r for r in rows.values() if r.part_of]
    found = [r.path for r in kept if stage in (r.stage, r.stage_kind) and paths.matches(glob, r.part_of)]
    if found:
        return found
    names = dict.fromkeys(name for r in kept for name in (r.stage, r.stage_kind))
    raise RuleError(
        f"no stage {brief(stage)} keeps a leaf for what '{glob}' selects",
        near=nearest(stage, names),
        ways=[f"stages that keep leaves: {', '.join(names) or '(none)'}", "'@lora', 'decoder/**@lora'"],
    )


def by_glob(rows: Rows, rules: Mapping[str, Any], default: Any) -> Callable[[Row], Any]:
    """The value of the first glob that selects a row.

    Raises:
      RuleError: as `select`.
    """
    if not isinstance(rules, Mapping):
        raise RuleError(
            f"labels are a function of a row, or globs → labels, not {brief(rules)}",
            ways=["{'**/b': 'bias'}, or a mask"],
        )
    chosen = {glob: set(select(rows, glob)) for glob in rules}
    return lambda row: next((v for g, v in rules.items() if row.path in chosen[g]), default)


def chosen_by(rule: Callable[[Row], Any]) -> Callable[[Row], bool]:
    """The rule of a mask, whose answers are checked.

    Raises:
      RuleError: an answer is neither True nor False.
    """

    def choose(row: Row) -> bool:
        answer = rule(row)
        if not isinstance(answer, (bool, np.bool_)):
            raise RuleError(
                f"the mask's rule says {brief(answer)} of '{row.path}', not True or False",
                parties=[row.party("owner")],
                ways=["lambda row: row.path.endswith('/b')", "ledger.labels(…) for other answers"],
            )
        return bool(answer)

    return choose


def sharding(rows: Rows, mesh: Any, rules: Mapping[str, Any]) -> Callable[[Row], jax.sharding.NamedSharding]:
    """The sharding of an owner; see `Ledger.shardings`.

    Args:
      rows: of the ledger.
      mesh: the devices' mesh.
      rules: axis names or globs of paths, and the mesh axes for each.

    Returns:
      A function of a row.

    Raises:
      RuleError: what is given is no mesh or no rules, a name is none of an owner's axes, or (the returned function) the mesh
        lacks an axis or does not divide a size.
    """
    if not isinstance(mesh, (jax.sharding.Mesh, jax.sharding.AbstractMesh)):
        raise RuleError(f"{brief(mesh)} is no mesh", ways=["jax.make_mesh((4,), ('model',))"])
    if not isinstance(rules, Mapping) or not all(isinstance(key, str) for key in rules):
        key = next((k for k in rules if not isinstance(k, str)), rules) if isinstance(rules, Mapping) else rules
        raise RuleError(
            f"rules for shardings are a dict of axis names or globs, not {brief(key)}",
            ways=["{'vocab': 'model', '**/w': jax.P(None, 'model')}"],
        )
    patterns = {k: v for k, v in rules.items() if "/" in k or "*" in k}
    names = {k: v for k, v in rules.items() if k not in patterns}
    used = {a for r in rows.values() if r.kind == "owned" for a in r.axes or ()}
    for name, axis in names.items():
        if name not in used:
            raise RuleError(
                f"no owner has an axis named '{name}'",
                near=nearest(name, [u for u in used if u]),
                ways=["name axes where the parameter is asked for: get_parameter(..., axes=('vocab', 'embed'))"],
            )
        _check_axes(_parts(axis), mesh)
    pattern = by_glob(rows, patterns, None)

    def choose(row: Row) -> jax.sharding.NamedSharding:
        chosen = pattern(row)
        if chosen is None:
            chosen = [names.get(a) if a else None for a in row.axes or ()]
        spec = _as_spec(chosen, row)
        _check_spec(spec, row, mesh)
        return jax.sharding.NamedSharding(mesh, spec)

    return choose


def _as_spec(chosen: Any, row: Row) -> jax.sharding.PartitionSpec:
    """What a rule says of an owner, as a spec; one string is the mesh axis of the first dim."""
    if isinstance(chosen, jax.sharding.PartitionSpec):
        return chosen
    if isinstance(chosen, str):
        return jax.sharding.PartitionSpec(chosen)
    if isinstance(chosen, (tuple, list)):
        return jax.sharding.PartitionSpec(*chosen)
    raise RuleError(
        f"the sharding of '{row.path}' is a PartitionSpec, not {brief(chosen)}",
        parties=[row.party("owner")],
        ways=["jax.P(None, 'model')", "'model', for the first dim", "jax.P(), to have it whole on each device"],
    )


def _parts(entry: Any) -> tuple[Any, ...]:
    """The mesh axes of one entry of a spec."""
    if entry is None or entry is jax.sharding.PartitionSpec.UNCONSTRAINED:
        return ()
    return tuple(entry) if isinstance(entry, (tuple, list)) else (entry,)


def _check_axes(axes: Iterable[Any], mesh: Any, row: Row | None = None) -> None:
    for axis in axes:
        if axis not in mesh.axis_names:
            known = [name for name in mesh.axis_names if isinstance(name, str)]
            raise RuleError(
                f"the mesh has no axis {brief(axis)}",
                parties=[row.party("owner")] if row else [],
                near=nearest(str(axis), known) or known,
                ways=["use one of the mesh's axes", "None, for a dim that every device has whole"],
            )


def _check_spec(spec: jax.sharding.PartitionSpec, row: Row, mesh: Any) -> None:
    """Raises unless a spec fits an owner's shape and the mesh."""
    entries = [_parts(entry) for entry in spec]
    axes = [axis for parts in entries for axis in parts]
    _check_axes(axes, mesh, row)
    twice = [axis for axis in axes if axes.count(axis) > 1]
    if twice:
        rule, way = f"uses the mesh axis '{twice[0]}' twice", "an axis shards one dim"
    elif len(entries) > len(row.shape):
        rule, way = f"has {len(entries)} dims, and the parameter {len(row.shape)}", "one entry for each dim, or fewer"
    else:
        pieces = [math.prod(mesh.shape[axis] for axis in parts) for parts in entries]
        uneven = [dim for dim, n in enumerate(pieces) if row.shape[dim] % n]
        if not uneven:
            return
        size, n = row.shape[uneven[0]], pieces[uneven[0]]
        rule = f"splits dim {uneven[0]} of size {size} over {n} devices, and {n} does not divide {size}"
        way = "shard another dim, or leave this one whole: None"
    raise RuleError(f"the spec {spec} of '{row.path}' {rule}", parties=[row.party("owner")], ways=[way])


def placement(rows: Rows, parts: Mapping[str, str | Iterable[str]]) -> list[dict[str, Any]]:
    """The ties that cross a boundary; see `Ledger.placement`.

    Args:
      rows: of the ledger.
      parts: name of a part → globs of the slots that it holds.

    Raises:
      RuleError: no part holds a slot that is borrowed across, or what is given are no parts.
    """
    if not isinstance(parts, Mapping):
        raise RuleError(f"parts are names → globs, not {brief(parts)}", ways=["{'first': 'embed/**', 'second': '**'}"])
    patterns = {name: globs(g) for name, g in parts.items()}

    def part(path: str) -> str:
        for name, some in patterns.items():
            if any(paths.matches(g, path) for g in some):
                return name
        raise RuleError(
            f"no part holds '{path}'",
            parties=[rows[path].party("slot")],
            ways=["add a glob for it, or a last part '**'"],
        )

    return [
        {"owner": o, "owner_part": part(o), "user": r.path, "user_part": part(r.path), "bytes": rows[o].bytes}
        for r in rows.values()
        if r.kind == "borrowed"
        for o in r.owners
        if part(o) != part(r.path)
    ]
