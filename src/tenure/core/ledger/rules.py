"""Rules that go by owner: globs, labels, masks, shardings, placement."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import numpy as np

from tenure.core.errors import RuleError, brief, nearest
from tenure.core.ledger.row import Row
from tenure.core.ledger.rows import Rows
from tenure.core.notation import paths
from tenure.core.trees import nest


class RuledRows(Rows):
    """The rows of a ledger, and the rules that go by owner."""

    def labels(self, rule: Callable[[Row], Any] | Mapping[str, Any], default: Any = None) -> dict[str, dict[str, Any]]:
        """A label for each leaf of `params`, say for `optax.multi_transform`.

        Args:
          rule: a function of an owner's row, or globs → labels, of which the first match counts; `@lora` selects the
            leaves that stages of that name keep.
          default: the label where no glob matches.

        Raises:
          RuleError: a glob selects no owner: it is written for a borrower, or for nothing.
        """
        choose = rule if callable(rule) else self._by_glob(rule, default)
        return nest({path: choose(self._params[path]) for path in self.owners})

    def _by_glob(self, rules: Mapping[str, Any], default: Any) -> Callable[[Row], Any]:
        """The value of the first glob that selects a row."""
        if not isinstance(rules, Mapping):
            raise RuleError(
                f"labels are a function of a row, or globs → labels, not {brief(rules)}",
                ways=["{'**/b': 'bias'}, or a mask"],
            )
        chosen = {glob: set(self.select(glob)) for glob in rules}
        return lambda row: next((v for g, v in rules.items() if row.path in chosen[g]), default)

    def mask(self, rule: Callable[[Row], bool] | str | Iterable[str]) -> dict[str, dict[str, bool]]:
        """True for each leaf of `params` that the rule selects, say for `optax.masked`.

        Args:
          rule: a function of an owner's row that returns True or False, or a glob, or several. `@lora` selects the
            leaves that stages of that name keep, `decoder/**@lora` those of some owners.

        Raises:
          RuleError: as in `labels`; or the function's answer is neither True nor False.
        """
        if not callable(rule):
            return self.labels(dict.fromkeys(globs(rule), True), default=False)

        def choose(row: Row) -> bool:
            answer = rule(row)
            if not isinstance(answer, (bool, np.bool_)):
                raise RuleError(
                    f"the mask's rule says {brief(answer)} of '{row.path}', not True or False",
                    parties=[row.party("owner")],
                    ways=["lambda row: row.path.endswith('/b')", "ledger.labels(…) for other answers"],
                )
            return bool(answer)

        return self.labels(choose)

    def trainable(self) -> dict[str, dict[str, bool]]:
        """True for each leaf of `params` that a gradient is meant to reach: False for what a stage freezes."""
        return self.labels(lambda row: not row.frozen)

    def select(self, glob: str) -> list[str]:
        """The owners that a glob selects.

        Raises:
          RuleError: it selects none.
        """
        if not isinstance(glob, str):
            raise RuleError(
                f"a rule is a glob such as '**/w', not {brief(glob)}", ways=["'**/w', 'encoder/**', 'embed/w'"]
            )
        glob, at, stage = glob.partition("@")
        if at:
            return self._kept_by(glob or "**", stage)
        if found := paths.select(glob, self.owners):
            return found
        if users := paths.select(glob, self.borrowers):
            user = self._params[users[0]]
            owner = self._params.get(user.owners[0], user)
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
            near=nearest(glob, [*self.owners, *self.borrowers]),
            ways=["'**' matches across '/', '*' within a name", "print(ledger) shows all paths"],
        )

    def _kept_by(self, glob: str, stage: str) -> list[str]:
        """Leaves that stages of a name keep for the owners that a glob matches.

        Args:
          glob: of the owners.
          stage: the stage's name, or its kind.
        """
        kept = [r for r in self._params.values() if r.part_of]
        if found := [r.path for r in kept if stage in (r.stage, r.stage_kind) and paths.matches(glob, r.part_of)]:
            return found
        names = dict.fromkeys(name for r in kept for name in (r.stage, r.stage_kind))
        raise RuleError(
            f"no stage {brief(stage)} keeps a leaf for what '{glob}' selects",
            near=nearest(stage, names),
            ways=[f"stages that keep leaves: {', '.join(names) or '(none)'}", "'@lora', 'decoder/**@lora'"],
        )

    def shardings(self, mesh: Any, rules: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """A `NamedSharding` for each leaf of `params`.

        Args:
          mesh: a `jax.sharding.Mesh`.
          rules: logical axis name → mesh axis (or None); or a glob with '/' or '*' → a `PartitionSpec`, or the mesh axis
            of the first dim. Globs come first.

        Raises:
          RuleError: a glob that selects no owner, a name that no owner's axes have, a mesh axis that does not exist, a
            spec with more dims than the parameter, or a dim that the mesh axis does not divide.
        """
        if not isinstance(mesh, (jax.sharding.Mesh, jax.sharding.AbstractMesh)):
            raise RuleError(f"{brief(mesh)} is no mesh", ways=["jax.make_mesh((4,), ('model',))"])
        if not isinstance(rules, Mapping) or not all(isinstance(key, str) for key in rules):
            key = next((k for k in rules if not isinstance(k, str)), rules) if isinstance(rules, Mapping) else rules
            raise RuleError(
                f"rules for shardings are a dict of axis names or globs, not {brief(key)}",
                ways=["{'vocab': 'model', '**/w': jax.P(None, 'model')}"],
            )
        names = {k: v for k, v in rules.items() if "/" not in k and "*" not in k}
        used = {a for path in self.owners for a in self._params[path].axes or ()}
        for name, axis in names.items():
            if name not in used:
                raise RuleError(
                    f"no owner has an axis named '{name}'",
                    near=nearest(name, [u for u in used if u]),
                    ways=["name axes where the parameter is asked for: get_parameter(..., axes=('vocab', 'embed'))"],
                )
            _check_axes(_parts(axis), mesh)
        by_glob = self._by_glob({k: v for k, v in rules.items() if k not in names}, None)

        def choose(row: Row) -> jax.sharding.NamedSharding:
            chosen = by_glob(row)
            spec = _as_spec([names.get(a) if a else None for a in row.axes or ()] if chosen is None else chosen, row)
            _check_spec(spec, row, mesh)
            return jax.sharding.NamedSharding(mesh, spec)

        return self.labels(choose)

    def placement(self, parts: Mapping[str, str | Iterable[str]]) -> list[dict[str, Any]]:
        """The ties that cross a boundary between the parts of a pipeline, or FSDP units.

        Args:
          parts: a part's name → glob, or globs, of the slots that it holds; the first match counts.

        Returns:
          For each: owner, its part, user, its part, the bytes of the owner.

        Raises:
          RuleError: a slot that no part holds.
        """
        if not isinstance(parts, Mapping):
            raise RuleError(
                f"parts are names → globs, not {brief(parts)}", ways=["{'first': 'embed/**', 'second': '**'}"]
            )
        patterns = {name: globs(g) for name, g in parts.items()}

        def part(path: str) -> str:
            for name, some in patterns.items():
                if any(paths.matches(g, path) for g in some):
                    return name
            party = self._params[path].party("slot")
            raise RuleError(f"no part holds '{path}'", parties=[party], ways=["add a glob for it, or a last part '**'"])

        return [
            {"owner": o, "owner_part": part(o), "user": u, "user_part": part(u), "bytes": self._params[o].bytes}
            for u in self.borrowers
            for o in self._params[u].owners
            if part(o) != part(u)
        ]


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


def _as_spec(chosen: Any, row: Row) -> jax.sharding.PartitionSpec:
    """What a rule says of an owner, as a spec; one string is the mesh axis of the first dim.

    Args:
      chosen: a `PartitionSpec`, its entries, or one mesh axis.
      row: the owner's, for the error.
    """
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
