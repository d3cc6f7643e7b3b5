"""An optimizer's leaves by name, where a file's model and the model that it is restored into have other ties.

A leaf is named like the parameter that it is of: `0/mu/embed/w`. What the file ties and the model owns gets the lender's
leaf, through the view, as `tn.untie` does; what the file owns and the model ties goes, as `tn.tie` does. Names, and not the
structure, are all that a file knows of an optimizer: where they do not say what a leaf is to become, it stays missing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from tenure.checkpoints.errors import ContentError
from tenure.checkpoints.report import Notes
from tenure.checkpoints.source import Held, Side, as_jax, backwards
from tenure.core.errors import NoInverseError, Party, TenureError
from tenure.core.ledger.row import Row
from tenure.core.notation import views
from tenure.core.notation.refs import Ref

WAYS = (
    "other ties: restore with the plan that was saved, then tn.tie or tn.untie with the state",
    "other sizes or stages: restore with the plan that was saved, then tn.transfer(…, opt_state=…, new_opt_state=…)",
)


def retied(
    there: Mapping[str, Any],
    wanted: Iterable[str],
    before: Mapping[str, Row],
    after: Mapping[str, Row],
    notes: Notes,
) -> dict[str, Any]:
    """The leaves once the ties are the model's.

    Args:
      there: the file's leaves by name, with `shape` and `read()`; those that `wanted` lacks are other ties' or unexpected.
      wanted: the names of the leaves that are needed.
      before, after: the slots of the file, under the model's names, and of the model.
      notes: what is done is told there.

    Returns:
      The file's leaves, with those that come through a tie, and without those whose parameter the model ties.

    Raises:
      ContentError: a leaf is about several parameters at once, so that nothing can come or go.
    """
    wanted = set(wanted)
    missing, left = [n for n in wanted if n not in there], [n for n in there if n not in wanted]
    owned = [p for p, row in after.items() if row.kind == "owned"]
    made, sources = {}, {}
    for name in sorted(missing):
        where = place_of(name, owned)
        leaf, sources[name] = (None, []) if where is None else _through(there, *where, before, after)
        if leaf is not None:
            made[name] = leaf
    lent = [p for p, row in before.items() if row.kind == "owned" and p in after and after[p].kind == "borrowed"]
    gone = [name for name in left if place_of(name, lent) is not None]
    for name in (*made, *gone):
        _refuse_joint(name, there)
    for name in made:
        notes.add("filled", name, f"from '{', '.join(sources[name])}', as the parameters are tied")
    moved = {source for name in made for source in sources[name]}
    for name in (n for n in gone if n not in moved):
        notes.add("dropped", name, "the model ties its parameter, and keeps the lender's leaf")
    return {n: leaf for n, leaf in there.items() if n not in gone} | made


def place_of(name: str, owners: Iterable[str]) -> tuple[str, str, str] | None:
    """What is before a parameter's path in the name of a leaf, the path, and what follows; the longest path counts.

    >>> place_of("0/mu/embed/w/1", ["embed/w", "w"])
    ('0/mu/', 'embed/w', '/1')
    """
    padded = f"/{name}/"
    found = max((o for o in owners if f"/{o}/" in padded), key=len, default=None)
    if found is None:
        return None
    at = padded.rindex(f"/{found}/")
    return name[:at], found, name[at + len(found) :]


def _through(
    there: Mapping[str, Any], prefix: str, owner: str, rest: str, before: Mapping[str, Row], after: Mapping[str, Row]
) -> tuple[Any, list[str]]:
    """The new owner's leaf, and the names of those that it is made of; None where nothing says how."""
    row = before.get(owner)
    if row is not None and row.kind == "borrowed":
        lenders = {o: there[n] for o in row.owners if (n := f"{prefix}{o}{rest}") in there}
        names = [f"{prefix}{o}{rest}" for o in row.owners]
        if len(lenders) < len(row.owners):
            return None, []
        plain, first = _without_values(before), lenders[row.owners[0]]
        as_it_is = not _views(plain, owner) and len(lenders) == 1 and before[row.owners[0]].shape == row.shape
        if as_it_is or (len(lenders) == 1 and first.shape == ()):
            return _copied(first), names
        if rest or any(tuple(leaf.shape) != before[o].shape for o, leaf in lenders.items()):
            return None, []
        seen = as_jax(owner, Side(plain, lenders).value(owner))
        return Held(owner, jnp.broadcast_to(seen, after[owner].shape) if row.layers > 1 else seen), names
    for path, user in after.items():
        name = f"{prefix}{path}{rest}"
        borrows = user.kind == "borrowed" and owner in user.owners and path in before and before[path].kind == "owned"
        if borrows and not rest and name in there and tuple(there[name].shape) == before[path].shape:
            try:
                value = backwards(_without_values(after), path, there[name].read()).get(owner)
            except NoInverseError:
                continue
            return (None, []) if value is None else (Held(owner, jnp.array(value, copy=True)), [name])
    return None, []


def _copied(leaf: Any) -> Any:
    """A leaf that shares no memory with the one that it is made of; those of files are read anew each time."""
    memory = isinstance(leaf, Held) and isinstance(leaf.value, jax.Array)
    return Held(leaf.name, jnp.array(leaf.value, copy=True)) if memory else leaf


def _views(rows: Mapping[str, Row], path: str) -> bool:
    """Whether any hop of a chain has views."""
    return any(Ref.parse(rows[p].borrows).views for p in rows[path].chain if rows[p].borrows)


def _without_values(rows: Mapping[str, Row]) -> dict[str, Row]:
    """Rows whose views move values only: `scale` and `cast` leave an optimizer's leaves alone."""

    def moved(row: Row) -> Row:
        try:
            ref = Ref.parse(row.borrows)
        except TenureError:  # a function as a view, which has no form as data
            return row
        kept = tuple(v for v in ref.views if not isinstance(v, (views.Scale, views.Cast)))
        return dataclasses.replace(row, borrows=str(dataclasses.replace(ref, views=kept)))

    return {path: moved(row) if row.borrows else row for path, row in rows.items()}


def _refuse_joint(name: str, there: Mapping[str, Any]) -> None:
    """Raises for leaves that are about several parameters, or several steps, at once."""
    parts = name.split("/")
    if {"diff_params_memory", "diff_updates_memory"} & set(parts):
        raise joint(name, "L-BFGS remembers inner products of all parameters")
    if "acc_grads" in parts:
        step = "/".join([*parts[: parts.index("acc_grads")], "mini_step"])
        if step not in there or int(there[step].read()):
            raise joint(name, "optax.MultiSteps sums the gradients of steps that are not finished")


def joint(name: str, why: str) -> ContentError:
    """The error for a leaf that cannot follow what becomes of the parameters."""
    return ContentError(
        f"the optimizer's leaf '{name}' cannot go into another model: {why}",
        parties=[Party("file", name)],
        ways=["start the optimizer anew: leave opt_state= out", "with optax.MultiSteps: right after an update"],
    )


__all__ = ["joint", "place_of", "retied"]
