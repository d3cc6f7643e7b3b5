"""What a run continues with beside its parameters, out of a checkpoint: the model's state, the optimizer's, random keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from tenure.checkpoints import leaves, optimizer
from tenure.checkpoints.errors import ContentError, DamagedError
from tenure.checkpoints.matching import Matching
from tenure.checkpoints.opened import Opened
from tenure.checkpoints.placing import placed
from tenure.checkpoints.rename import rename_leaf
from tenure.checkpoints.report import Notes
from tenure.checkpoints.save import built
from tenure.core.errors import Party
from tenure.core.ledger.row import Row
from tenure.core.slots.plan import Plan


def state_of(opened: Opened, plan: Any, template: Any, matching: Matching, notes: Notes, strict: bool) -> Any:
    """The model's state.

    Raises:
      ContentError: file and model have other states.
    """
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


def optimizer_of(
    opened: Opened,
    template: Any,
    renamed: Mapping[str, str],
    before: Mapping[str, Row],
    after: Mapping[str, Row],
    notes: Notes,
) -> Any:
    """The optimizer state in a checkpoint, in the structure of a template.

    Args:
      opened: the checkpoint.
      template: arrays or shapes.
      renamed: paths of parameters in the file → in the model.
      before, after: the slots of the file, under the model's names, and of the model.
      notes: what comes or goes through ties is told there.

    Raises:
      ContentError: there is none, or of other leaves.
    """
    if "opt_state" not in opened.body["has"]:
        raise ContentError(
            f"'{opened.path}' holds no optimizer state", ways=["opt_state=None, and optimizer.init(params)"]
        )
    prefix, found = "opt_state/", opened.leaves("training")
    there = {rename_leaf(n.removeprefix(prefix), renamed): leaf for n, leaf in found.items() if n.startswith(prefix)}
    there |= {"": found["opt_state"]} if "opt_state" in found else {}
    wanted = leaves.named(template)
    there = optimizer.retied(there, wanted, before, after, notes)
    missing, left = [n for n in wanted if n not in there], [n for n in there if n not in wanted]
    if missing or left:
        way = "give the state of the same optimizer:  opt_state=jax.eval_shape(optimizer.init, params)"
        raise _unlike("optimizer state", missing, left, [way, *optimizer.WAYS])
    for name, spec in wanted.items():
        _check_shape("optimizer state", name, there[name], spec)
    return leaves.refilled(template, {n: placed(n, there[n], _place_of(spec)) for n, spec in wanted.items()})


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


def key_of(opened: Opened) -> Any:
    """The random keys in a checkpoint, in the structure in which they were saved.

    Raises:
      ContentError, DamagedError: the file does not say it, or lacks one.
    """
    if "key" not in opened.body["has"]:
        return None
    template, training = _tree(opened, "key"), opened.leaves("training")
    try:
        values = {n: training[f"key/{n}" if n else "key"].place(None) for n in leaves.named(template)}
    except KeyError as e:
        raise DamagedError(f"'{opened.path}' lacks {e}") from None
    return leaves.refilled(template, values)


__all__ = ["key_of", "optimizer_of", "state_of"]
