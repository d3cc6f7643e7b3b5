"""`tn.restore`: a checkpoint brought into a model, as the ledgers of both say."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tenure.checkpoints.choices import Choices, names
from tenure.checkpoints.errors import DamagedError
from tenure.checkpoints.matching import Matching
from tenure.checkpoints.opened import Opened
from tenure.checkpoints.placing import placed, sharding_of
from tenure.checkpoints.rename import Rules, rename_rows, renaming
from tenure.checkpoints.report import Notes, Report
from tenure.checkpoints.save import ledger_of, tie_from_data
from tenure.checkpoints.source import Leaf, Side
from tenure.checkpoints.staged import assigner, weight_shapes
from tenure.checkpoints.training import key_of, optimizer_of, state_of
from tenure.core.errors import Party, TenureError
from tenure.core.ledger.ledger import Ledger
from tenure.core.ledger.row import Row
from tenure.core.ledger.rules import globs
from tenure.core.slots.plan import Plan
from tenure.core.trees import flat, nest

log = logging.getLogger("tenure.checkpoints")


class Restored(NamedTuple):
    """What a checkpoint held, in the form of the model that it was restored into.

    Attributes:
      params, state: as `init` returns them.
      opt_state: of the template's structure; None without a template.
      step, key, metadata: as they were saved.
      ties, stages: of the model that was saved, for `tn.transform`.
      ledger: of the model that was saved.
      report: what was filled, checked, left out; empty if both models have the same slots and ties.
    """

    params: dict[str, dict[str, Any]]
    state: Any
    opt_state: Any
    step: int | None
    key: Any
    metadata: Any
    ties: dict[str, Any]
    stages: dict[str, Any]
    ledger: Ledger
    report: Report


def restore(
    path: str | Path,
    plan: Plan | Ledger | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    state: Any = None,
    opt_state: Any = None,
    only: str | Iterable[str] | None = None,
    take: str | Iterable[str] = (),
    rename: Rules | None = None,
    strict: bool = True,
    shardings: Any = None,
    verify: bool = True,
) -> Restored:
    """Reads a checkpoint into a model. Ties in file and model are compared, and nothing is guessed.

    Only what is asked for is read, through a memory map. What is filled through a tie is in the report, and logged.

    Args:
      path: the folder that `tn.save` wrote.
      plan: of the model to restore into, or its ledger; None for the model as it was saved.
      params: values, such as those of `init`, for owners that the file lacks: where it was saved with `only`, or not `strict`.
      state: likewise; its structure counts where the file alone does not say it.
      opt_state: a template of the optimizer state: arrays, or shapes as of `jax.eval_shape(optimizer.init, params)`, with
        shardings or without. None: the optimizer state is not read.
      only: a glob of owners, or several: the others are not read.
      take: where the file has different values for one owner, the slots whose values are to be kept.
      rename: paths in the file → paths in the model: exact ones, those of modules, or compiled regular expressions.
      strict: whether missing or unexpected leaves, and other dtypes, are errors. Else they are reported.
      shardings: one sharding for all params, or a tree like them (see `ledger.shardings`).
      verify: whether to compare checksums.

    Raises:
      CheckpointError: there is no checkpoint.
      NewerFormatError: it was written by a later version.
      DamagedError: it is not as it was written.
      TieValueError: the file has two different values for what the model ties.
      NoInverseError: only a user's value is there, and its view has no inverse.
      StagedFileError: the stages in file and model do not go together.
      ContentError: missing or unexpected leaves, other shapes or dtypes.
      RuleError: a rename rule, or `only`, that matches nothing.

    Returns:
      The params, states and whatever else the folder holds, with a report of what was not simply as saved.

    >>> import jax, jax.numpy as jnp, tempfile, tenure as tn
    >>> from tenure import nn
    >>> model = tn.transform(lambda x: nn.Linear(3)(x))
    >>> plan, params = model.plan(jnp.ones(4)), model.init(jax.random.key(0), jnp.ones(4))
    >>> path = tn.save(tempfile.mkdtemp() + "/linear", plan, params)
    >>> restored = tn.restore(path, plan)
    >>> bool((restored.params["linear"]["w"] == params["linear"]["w"]).all()), bool(restored.report)
    (True, False)
    """
    opened, notes = Opened(path, verify), Notes()
    with _naming(path):
        stored = opened.leaves("params")
        _check_owners(opened, stored)
        rows = {r.path: r for r in opened.ledger.rows if r.collection == "params"}
        renamed = renaming(rename, rows)
        for old, new in renamed.items():
            notes.add("renamed", new, f"'{old}' in the file")
        file = Side(rename_rows(rows, renamed), {renamed.get(p, p): leaf for p, leaf in stored.items()})
        ledger = ledger_of(plan) if plan is not None else None
        model = file.rows if ledger is None else {r.path: r for r in ledger.rows if r.collection == "params"}
        owners = [p for p, r in model.items() if r.kind == "owned"]
        if plan is None and opened.body["only"]:
            owners = [p for p in owners if p in file.leaves]
        choices = Choices(
            take=names(take, "take"),
            strict=strict and only is None,
            partial=bool(opened.body["only"]) or all(p in model and model[p].part_of for p in file.leaves),
            template=flat(params, "params"),
            weights=weight_shapes(plan) if isinstance(plan, Plan) else {},
            assign=assigner(plan, params, state) if isinstance(plan, Plan) else None,
        )
        wanted = owners if only is None else _selected(owners, ledger or opened.ledger, only)
        if only is not None:
            file = Side(file.rows, {p: leaf for p, leaf in file.leaves.items() if _asked(file.rows, model, p, wanted)})
        matching = Matching(file, model, choices, notes)
        matching.run(wanted)
        where = sharding_of(shardings)
        values = nest({p: placed(p, matching.found[p], where(p)) for p in wanted})
        states = state_of(opened, plan, state, matching, notes, strict)
        optimizer = opt_state
        if opt_state is not None:
            optimizer = optimizer_of(opened, opt_state, renamed, file.rows, model, notes)
        keys = key_of(opened)
    ties, stages = _given(opened.body, notes)
    for entry in notes.entries:
        log.info("%s: %s %s: %s", path, entry.kind, entry.path, entry.text)
    return Restored(
        values,
        states,
        optimizer,
        opened.body["step"],
        keys,
        opened.body["metadata"],
        ties,
        stages,
        opened.ledger,
        notes.report(),
    )


@contextlib.contextmanager
def _naming(path: Any) -> Iterator[None]:
    """Errors say of which checkpoint they are, unless they name a file of it already."""
    try:
        yield
    except TenureError as error:
        if not isinstance(error, DamagedError):
            error.add(Party("checkpoint", str(path)))
        raise


def _check_owners(opened: Opened, stored: Mapping[str, Leaf]) -> None:
    """File and ledger belong together: the manifest may be whole, and still be nonsense."""
    owners = opened.ledger.owners
    wrong = [p for p in stored if p not in owners or tuple(stored[p].shape) != opened.ledger[p].shape]
    wrong += [p for p in owners if p not in stored] if not opened.body["only"] else []
    if wrong:
        raise DamagedError(f"'{opened.path}' holds '{wrong[0]}' otherwise than its own ledger says")


def _selected(owners: list[str], ledger: Ledger, only: Any) -> list[str]:
    return [p for p in owners if any(p in ledger.select(glob) for glob in globs(only))]


def _asked(rows: Mapping[str, Row], model: Mapping[str, Row], leaf: str, wanted: list[str]) -> bool:
    """Whether a leaf of the file has to do with the wanted owners."""
    users = [p for p, r in rows.items() if leaf in r.owners]
    return any(o in wanted for u in users if u in model for o in model[u].owners)


def _given(body: Mapping[str, Any], notes: Notes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ties and stages as `tn.transform` takes them."""
    ties = {}
    for key, data in body["ties"].items():
        try:
            ties[key] = tie_from_data(data)
        except ValueError as e:
            notes.add("omitted", key, f"its tie was {e}")
    stages = {k: v for k, v in body["stages"].items() if isinstance(v, list)}
    for key in body["stages"].keys() - stages.keys():
        notes.add("omitted", key, "its stages have no form as data")
    return ties, stages


__all__ = ["Restored", "restore"]
