"""`tn.transfer`: the parameters of one model brought into another in memory, by the rules by which a checkpoint is restored."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tenure.checkpoints import leaves, optimizer
from tenure.checkpoints.choices import Choices, names
from tenure.checkpoints.errors import ContentError
from tenure.checkpoints.matching import Matching
from tenure.checkpoints.rename import Rules, rename_leaf, rename_rows, renaming
from tenure.checkpoints.report import Notes, Report
from tenure.checkpoints.resizing import resized
from tenure.checkpoints.save import ledger_of
from tenure.checkpoints.source import Held, Side, plain_row
from tenure.checkpoints.staged import assigner, weight_shapes
from tenure.core.errors import Party, RuleError, brief
from tenure.core.ledger.ledger import Ledger
from tenure.core.slots.plan import Plan
from tenure.core.trees import copied, flat, nest, put
from tenure.surgery.belonging import misfit


class Transferred(NamedTuple):
    """What `transfer` returns.

    Attributes:
      params: of the new model.
      opt_state: of the new model, if an old one was given.
      state: what was given, with what stages keep for weights that were put through them.
      report: what was filled, renamed, resized, left out.
    """

    params: dict[str, dict[str, Any]]
    opt_state: Any
    state: Any
    report: Report


def transfer(
    plan: Plan | Ledger,
    old_params: Mapping[str, Any],
    *,
    old_plan: Plan | Ledger | None = None,
    params: Mapping[str, Any] | None = None,
    state: Mapping[str, Any] | None = None,
    opt_state: Any = None,
    new_opt_state: Any = None,
    rename: Rules | None = None,
    take: str | Iterable[str] = (),
    resize: str | Iterable[str] | Mapping[str, Any] = (),
    strict: bool = True,
) -> Transferred:
    """Brings parameters into a model with other names, ties, stages or sizes. Nothing is guessed; everything is reported.

    `tn.assign` takes plain weights for the owners of one model. `transfer` takes what another model has, owners, users and
    leaves of stages, and finds for each owner of the new model what it must be.

    Args:
      plan: of the new model, or its ledger.
      old_params: `{module: {name: array}}` of the old one, or a part of them, such as an adapter's leaves alone.
      old_plan: its plan or ledger, which knows its ties; None if each leaf stands for itself.
      params: values of the new model, such as those of `init`, for what the old one lacks: new rows, an adapter's first values.
      state: of the new model, where its stages keep some.
      opt_state: the old optimizer state; any pytree whose leaves are named like params.
      new_opt_state: the optimizer state that fits the new model, `optimizer.init(params)`: its structure, and new values.
      rename: old paths → new paths, exact, of modules, or compiled regular expressions; for owners and users.
      take: where there are different values for one owner, the slots whose values are to be kept.
      resize: owners whose sizes differ: values are kept where old and new overlap. As a dict: owner → for each new row the
        old row that it is, or -1.
      strict: whether missing or unexpected leaves, and other dtypes, are errors. Else they are reported.

    Raises:
      TieValueError, NoInverseError, StagedFileError, ContentError, RuleError: as `tn.restore`.

    Returns:
      The new model's params, and its optimizer state where one was given, with a report of what was done.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> from tenure import nn
    >>> old = tn.transform(lambda x: nn.Linear(3, name="old")(x))
    >>> new = tn.transform(lambda x: nn.Linear(3, name="new")(x))
    >>> params = old.init(jax.random.key(0), jnp.ones(4))
    >>> moved = tn.transfer(new.plan(jnp.ones(4)), params, rename={"old": "new"})
    >>> list(moved.params), moved.report.of("renamed")["new/w"]
    (['new'], "'old/w' before")
    """
    notes, ledger, given = Notes(), ledger_of(plan), flat(old_params, "old_params")
    file, renamed = _old_side(given, old_plan, rename, notes)
    model = {r.path: r for r in ledger.rows if r.collection == "params"}
    template = flat(params, "params")
    choices = Choices(
        take=names(take, "take"),
        strict=strict,
        partial=all(p in model and model[p].part_of for p in file.leaves),
        template=template,
        resize=_resize(resize, ledger),
        weights=weight_shapes(plan) if isinstance(plan, Plan) else {},
        assign=assigner(plan, params, state) if isinstance(plan, Plan) else None,
    )
    matching = Matching(file, model, choices, notes)
    matching.run(ledger.owners)
    new_state = copied(state) if state is not None else {}
    for path, value in matching.assigned.items():
        if path not in matching.found:
            put(new_state, path, value)
    optimized = None
    if opt_state is not None:
        optimized = _optimizer(opt_state, new_opt_state, renamed, file, ledger, choices, notes)
    found = nest({p: matching.found[p].place(None) for p in ledger.owners})
    return Transferred(found, optimized, new_state if state is not None or new_state else None, notes.report())


def _old_side(given: dict[str, Any], old_plan: Any, rename: Rules | None, notes: Notes) -> tuple[Side, dict[str, str]]:
    rows = {p: plain_row(p, Held(p, v)) for p, v in given.items()}
    if old_plan is not None:
        known = {r.path: r for r in ledger_of(old_plan).rows if r.collection == "params"}
        foreign = [p for p in given if p not in known or known[p].kind != "owned"]
        if foreign:
            raise ContentError(
                f"old_params have '{foreign[0]}', which is no owner of old_plan",
                ways=["give the plan that these params are of", "give no old_plan: each leaf stands for itself"],
            )
        rows = known
    renamed = renaming(rename, rows)
    for old, new in renamed.items():
        notes.add("renamed", new, f"'{old}' before")
    return Side(rename_rows(rows, renamed), {renamed.get(p, p): Held(p, v) for p, v in given.items()}), renamed


def _resize(resize: Any, ledger: Ledger) -> dict[str, Any]:
    chosen = dict(resize) if isinstance(resize, Mapping) else dict.fromkeys(names(resize, "resize"))
    for path in chosen:
        row = ledger[path] if isinstance(path, str) else None
        if row is None or row.kind != "owned":
            raise RuleError(
                f"resize={brief(path)} is no owner: sizes are changed where a parameter is owned",
                parties=[row.party("user")] if row else [],
                ways=[f"resize='{row.owners[0]}'" if row else "resize='embed/embeddings'"],
            )
    return {ledger[path].path: rows for path, rows in chosen.items()}


def _optimizer(
    old: Any, new: Any, renamed: Mapping[str, str], file: Side, ledger: Ledger, choices: Choices, notes: Notes
) -> Any:
    """The old optimizer's leaves in the structure of the new one."""
    if new is None:
        raise ContentError(
            "an old optimizer state needs a new one, which says what it is to become",
            ways=["new_opt_state=optimizer.init(params), with params of the new model"],
        )
    held = {rename_leaf(name, renamed): Held(name, leaf) for name, leaf in leaves.named(old).items()}
    rows = {r.path: r for r in ledger.rows if r.collection == "params"}
    wanted = leaves.named(new)
    there = {n: leaf.value for n, leaf in optimizer.retied(held, wanted, file.rows, rows, notes).items()}
    values = {}
    missing, used = [], set()
    for name, fresh in wanted.items():
        owner, axis = _owner_of(name, ledger.owners)
        if name in there:
            used.add(name)
            values[name] = _fitted(name, owner, axis, there[name], fresh, file, choices, notes)
        elif owner is not None and not file.has(owner):
            values[name] = fresh
            notes.add("missing", name, "a new leaf of the optimizer: as it starts")
        elif not choices.strict:
            values[name] = fresh
            notes.add("missing", name, "not in the old optimizer state: as it starts")
        else:
            missing.append(name)
    left = [name for name in there if name not in used]
    if missing or (left and choices.strict):
        raise ContentError(
            f"the optimizer states differ: {len(missing)} leaves missing in the old one, {len(left)} in the new one",
            parties=[Party("missing", n) for n in missing[:6]] + [Party("unexpected", n) for n in left[:6]],
            ways=["other ties: tn.tie or tn.untie, which carry the optimizer state, and then transfer", "strict=False"],
        )
    for name in left:
        notes.add("unexpected", name, "a leaf of the old optimizer state that the new one has not")
    return leaves.refilled(new, values)


def _owner_of(name: str, owners: Iterable[str]) -> tuple[str | None, int | None]:
    """The parameter that a leaf of an optimizer belongs to, and its axis, where there is one leaf for each (SM3)."""
    owners = list(owners)
    found = [o for o in owners if f"/{name}".endswith(f"/{o}")]
    if found:
        return max(found, key=len), None
    whole, _, last = name.rpartition("/")
    found = [o for o in owners if f"/{whole}".endswith(f"/{o}")] if last.isdecimal() else []
    return (max(found, key=len), int(last)) if found else (None, None)


def _fitted(
    name: str, owner: str | None, axis: int | None, old: Any, fresh: Any, file: Side, choices: Choices, notes: Notes
) -> Any:
    """An old leaf with the shape of the new one, and its rows in the new order."""
    before, after = tuple(np.shape(old)), tuple(np.shape(fresh))
    _refuse_foreign(name, owner, axis, before, file)
    if choices.resize:
        _refuse_joint(name, owner, axis, before, file, choices)
    if owner is not None and owner in choices.resize and owner in file.leaves and len(before) == len(after):
        stored, wanted = tuple(file.leaves[owner].shape), tuple(choices.template.get(owner, file.leaves[owner]).shape)
        rows = _rows_of(name, owner, axis, before, stored, choices.resize[owner])
        changes = {(a, b) for a, b in zip(stored, wanted, strict=True) if a != b}
        moved = {(a, b) for a, b in zip(before, after, strict=True) if a != b}
        if moved <= changes and (moved or rows is not None):
            notes.add("resized", name, f"{before} → {after}")
            return resized(old, fresh, rows)
    if before == after:
        return old
    raise ContentError(
        f"the optimizer's leaf '{name}' is {before}, and must be {after}",
        parties=[Party("old", name, str(before)), Party("new", name, str(after))],
        ways=[f"resize='{owner}'" if owner else "use the same optimizer", "start the optimizer anew"],
    )


def _refuse_foreign(name: str, owner: str | None, axis: int | None, shape: tuple, file: Side) -> None:
    """Raises for a leaf whose shape is that of another parameter than the one that it is named like."""
    if owner is None or owner not in file.leaves or axis is not None:
        return
    stored = tuple(file.leaves[owner].shape)
    if misfit(shape, stored):
        raise ContentError(
            f"the optimizer's leaf '{name}' is {shape}, and '{owner}' is {stored} in old_params: it belongs to other ones",
            parties=[Party("old", name, str(shape)), Party("old", owner, str(stored))],
            ways=["opt_state= is what optimizer.init or optimizer.update returned for old_params"],
        )


def _refuse_joint(name: str, owner: str | None, axis: int | None, shape: tuple, file: Side, choices: Choices) -> None:
    """Raises for leaves of which no rule says what a change of rows makes of them."""
    if {"diff_params_memory", "diff_updates_memory"} & set(name.split("/")):
        raise optimizer.joint(name, "L-BFGS remembers steps and gradients of the parameters as they were")
    if owner is not None or not any(shape):
        return
    within = optimizer.place_of(name, choices.resize)
    if within is not None:
        raise optimizer.joint(
            name, f"it is a part of what is kept for '{within[1]}', and nothing says which are its rows"
        )
    resized_ones = [tuple(file.leaves[p].shape) for p in choices.resize if p in file.leaves]
    total = sum(math.prod(leaf.shape) for leaf in file.leaves.values())
    if shape == (total,):
        raise optimizer.joint(name, "it has the numbers of all parameters in one row (optax.flatten)")
    if shape in resized_ones:
        raise optimizer.joint(name, "it has the shape of a parameter that gets other rows, and not its name")


def _rows_of(name: str, owner: str, axis: int | None, before: tuple, stored: tuple, rows: Any) -> Any:
    """The rows for a leaf of an optimizer: those of its parameter, or None if its first axis is no axis of rows.

    Raises:
      ContentError: nothing tells.
    """
    if rows is None or before == stored or axis == 0:
        return rows
    if axis is not None or before in ((), (1,)):  # Adafactor's placeholders
        return None
    axes = [i for i, n in enumerate(stored) if (n,) == before]
    if axes == [0]:
        return rows
    if axes and 0 not in axes:
        return None
    raise ContentError(
        f"the optimizer's leaf '{name}' {before} does not say which of its values belong to which row of '{owner}' {stored}",
        parties=[Party("old", name, str(before))],
        ways=["start the optimizer anew"],
    )
