"""`tn.restore`: a checkpoint brought into a model, as the ledgers of both say."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from tenure.checkpoints import leaves
from tenure.checkpoints.errors import ContentError, DamagedError
from tenure.checkpoints.opened import Opened
from tenure.checkpoints.rename import Rules, rename_leaf, rename_rows, renaming
from tenure.checkpoints.report import Notes, Report
from tenure.checkpoints.save import built, flat, ledger_of, tie_from_data
from tenure.checkpoints.source import Leaf, Side
from tenure.checkpoints.staged import assigner
from tenure.checkpoints.ties import Choices, Matching, names
from tenure.core.errors import Party, RuleError, TenureError, brief, nearest
from tenure.core.ledger.ledger import Ledger
from tenure.core.ledger.row import Row
from tenure.core.ledger.rules import globs
from tenure.core.slots.plan import Plan
from tenure.core.trees import nest

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
        template=flat(params or {}),
        assign=assigner(plan, params, state) if isinstance(plan, Plan) else None,
    )
    wanted = owners if only is None else _selected(owners, ledger or opened.ledger, only)
    if only is not None:
        file = Side(file.rows, {p: leaf for p, leaf in file.leaves.items() if _asked(file.rows, model, p, wanted)})
    matching = Matching(file, model, choices, notes)
    matching.run(wanted)
    where = _sharding_of(shardings)
    placed = nest({p: _placed(p, matching.found[p], where(p)) for p in wanted})
    states = _state(opened, plan, state, matching, notes, strict)
    training = opened.leaves("training")
    optimizer = None if opt_state is None else _optimizer(opened, training, opt_state, renamed)
    ties, stages = _given(opened.body, notes)
    for entry in notes.entries:
        log.info("%s: %s %s: %s", path, entry.kind, entry.path, entry.text)
    return Restored(
        placed,
        states,
        optimizer,
        opened.body["step"],
        _key(opened, training),
        opened.body["metadata"],
        ties,
        stages,
        opened.ledger,
        notes.report(),
    )


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


def _sharding_of(shardings: Any) -> Callable[[str], Any]:
    if shardings is None or isinstance(shardings, jax.sharding.Sharding):
        return lambda path: shardings
    if not isinstance(shardings, Mapping):
        raise RuleError(
            f"shardings are one sharding, or a tree like params, not {brief(shardings)}",
            ways=["plan.ledger.shardings(mesh, rules)"],
        )
    table = flat(shardings)

    def choose(path: str) -> Any:
        if path not in table:
            raise RuleError(f"the shardings say nothing of '{path}'", near=nearest(path, table))
        return table[path]

    return choose


def _placed(name: str, found: Leaf, sharding: Any) -> Any:
    """A leaf on the devices that a sharding says, which must suit its shape."""
    if sharding is None:
        return found.place(None)
    try:
        if isinstance(sharding, jax.sharding.PartitionSpec):
            raise TypeError("a PartitionSpec needs a mesh")
        if isinstance(sharding, jax.sharding.Sharding) and not getattr(found, "form", "").startswith("prng:"):
            sharding.shard_shape(tuple(found.shape))
        return found.place(sharding)
    except TenureError:
        raise
    except (ValueError, TypeError, LookupError) as e:
        raise RuleError(
            f"'{name}' {tuple(found.shape)} can not be spread as {brief(sharding, 120)}: {brief(str(e), 200)}",
            ways=[
                "jax.sharding.NamedSharding(mesh, spec), with a spec for each parameter",
                "plan.ledger.shardings(mesh, rules)",
            ],
        ) from None


def _state(opened: Opened, plan: Any, template: Any, matching: Matching, notes: Notes, strict: bool) -> Any:
    found = opened.leaves("state")
    if isinstance(plan, Plan):
        wanted: Any = plan.state
    elif template is not None:
        wanted = template
    else:
        wanted = _tree(opened, "state") if found else {}
    assigned = {p: v for p, v in matching.assigned.items() if p not in matching.found}
    given = leaves.named(template) if template is not None else {}
    values = {}
    missing = []
    for name, spec in leaves.named(wanted).items():
        if name in found and name not in assigned:
            _check_shape("state", name, found[name], spec)
            values[name] = found[name].place(_place_of(spec))
        elif name in assigned or (name in given and not strict):
            values[name] = assigned.get(name, given.get(name))
        else:
            missing.append(name)
    left = [name for name in found if name not in values]
    for name in left:
        notes.add("unexpected", name, "a state of the file, not of the model")
    if missing or (left and strict):
        raise _unlike("state", missing, left, ["give the states that the file lacks, with strict=False:  state=…"])
    return leaves.refilled(wanted, values)


def _optimizer(opened: Opened, found: Mapping[str, Any], template: Any, renamed: Mapping[str, str]) -> Any:
    if "opt_state" not in opened.body["has"]:
        raise ContentError(
            f"'{opened.path}' holds no optimizer state", ways=["opt_state=None, and optimizer.init(params)"]
        )
    prefix = "opt_state/"
    there = {rename_leaf(n.removeprefix(prefix), renamed): leaf for n, leaf in found.items() if n.startswith(prefix)}
    there |= {"": found["opt_state"]} if "opt_state" in found else {}
    wanted = leaves.named(template)
    missing, left = [n for n in wanted if n not in there], [n for n in there if n not in wanted]
    if missing or left:
        raise _unlike(
            "optimizer state",
            missing,
            left,
            [
                "give the state of the same optimizer:  opt_state=jax.eval_shape(optimizer.init, params)",
                "other ties: restore with the plan that was saved, then tn.tie or tn.untie with the optimizer state",
            ],
        )
    for name, spec in wanted.items():
        _check_shape("optimizer state", name, there[name], spec)
    return leaves.refilled(template, {n: _placed(n, there[n], _place_of(spec)) for n, spec in wanted.items()})


def _place_of(spec: Any) -> Any:
    """The sharding of a template's leaf, if it says one."""
    sharding = getattr(spec, "sharding", None)
    spread = isinstance(sharding, jax.sharding.Sharding) and len(sharding.device_set) > 1
    return sharding if spread or isinstance(spec, jax.ShapeDtypeStruct) else None


def _check_shape(what: str, name: str, leaf: Any, spec: Any) -> None:
    if leaf.form.startswith("prng:") != leaves.is_key(spec):
        raise ContentError(f"'{name}' of the {what} is a random key in one of file and model only")
    shape = tuple(getattr(spec, "shape", ()))
    there = tuple(leaf.shape)
    if there[: len(shape)] == shape and leaf.form.startswith("prng:"):
        return
    dtype = None if leaves.is_key(spec) else getattr(spec, "dtype", None)
    dtype = dtype and np.dtype(dtype).newbyteorder("=")
    if there != shape or (dtype is not None and leaf.form in ("", "numpy") and leaf.dtype != dtype):
        raise ContentError(
            f"'{name}' of the {what} is {there} {leaf.dtype} in the file, and {shape} {dtype} in the template",
            parties=[Party("file", name, f"{there} {leaf.dtype}"), Party("template", name, f"{shape} {dtype}")],
            ways=["give the template of the optimizer and the model that were saved"],
        )


def _unlike(what: str, missing: list[str], left: list[str], ways: list[str]) -> ContentError:
    parties = [Party("missing", n, "", "not in the file") for n in missing[:6]]
    parties += [Party("unexpected", n, "", "in the file only") for n in left[:6]]
    return ContentError(
        f"the {what} in the file is another: {len(missing)} leaves missing, {len(left)} unexpected",
        parties=parties,
        ways=ways,
    )


def _tree(opened: Opened, name: str) -> Any:
    bones = opened.body["trees"].get(name)
    try:
        return built(bones)
    except (ValueError, RecursionError, TypeError, AttributeError):
        raise ContentError(
            f"the {name} in the file is a tree of types that the file does not know",
            ways=["give the plan, or a template"],
        ) from None


def _key(opened: Opened, training: Mapping[str, Any]) -> Any:
    if "key" not in opened.body["has"]:
        return None
    template = _tree(opened, "key")
    try:
        values = {n: training[f"key/{n}" if n else "key"].place(None) for n in leaves.named(template)}
    except KeyError as e:
        raise DamagedError(f"'{opened.path}' lacks {e}") from None
    return leaves.refilled(template, values)


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
