"""`tn.save`: owners once, with the ledger, and whatever else a run continues from, in one folder and one commit."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tenure._version import __version__
from tenure.checkpoints import folder, leaves, manifest, sharded, tensors
from tenure.checkpoints.errors import CheckpointError, ContentError
from tenure.core.errors import Party, TenureError, brief, nearest
from tenure.core.ledger.ledger import Ledger
from tenure.core.ledger.rules import globs
from tenure.core.notation.refs import Ref
from tenure.core.notation.stage import read_list
from tenure.core.slots.plan import Plan
from tenure.core.slots.sources import forbid, own
from tenure.core.trees import flat, leaf

_OWN, _FORBID = {"own": True}, {"forbid": True}


def save(
    path: str | Path,
    plan: Plan | Ledger,
    params: Mapping[str, Any],
    *,
    state: Any = None,
    opt_state: Any = None,
    step: int | None = None,
    key: Any = None,
    metadata: Any = None,
    only: str | Iterable[str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes a checkpoint: each owner once, with the ledger, and what a run needs to go on, in one commit.

    Arrays that are sharded over several processes are written by orbax-checkpoint; all processes must call this together.

    Args:
      path: of the folder to write.
      plan: the model's, or its ledger.
      params: its parameters: all owners, unless `only` says which.
      state: the model's, from `init` or `apply` of a model with state.
      opt_state: any pytree of arrays and numbers, such as the state of an optax optimizer.
      step: how far training is.
      key: a random key, typed or not, or dicts and lists of keys.
      metadata: anything that JSON can hold.
      only: a glob of owners, or several, such as "@lora": the checkpoint holds these only.
      overwrite: whether a checkpoint at `path` gives way; until the new one is whole, the old one stays.

    Returns:
      The path.

    Raises:
      ExistingPathError: the path exists already, or is not a checkpoint's.
      ContentError: params or state and the plan do not belong together.
      CheckpointError: a leaf that is no array, metadata that JSON can not hold, a full disk.

    >>> import jax, jax.numpy as jnp, tempfile, tenure as tn
    >>> from tenure import nn
    >>> model = tn.transform(lambda x: nn.Linear(3)(x))
    >>> plan, params = model.plan(jnp.ones(4)), model.init(jax.random.key(0), jnp.ones(4))
    >>> path = tn.save(tempfile.mkdtemp() + "/linear", plan, params, step=7)
    >>> tn.restore(path, plan).step
    7
    """
    taken = snapshot(plan, params, state, opt_state, step, key, metadata, only, copy=False)
    return taken.write(folder.as_path(path), overwrite)


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """What is to be written.

    Attributes:
      groups: file's name without its ending → names → leaves on the host, or JAX arrays if they are sharded over processes.
      aliases: the ties through no view, as other tools write them.
      body: the rest of the manifest.
      sharded: whether orbax-checkpoint writes the arrays.
    """

    groups: dict[str, dict[str, Any]]
    aliases: dict[str, str]
    body: dict[str, Any]
    sharded: bool

    def write(self, path: Path, overwrite: bool) -> Path:
        """Writes it to a path; see `folder.commit`."""
        manifest.encode(self.body)  # metadata that can not be written are found before anything is
        if self.sharded:
            sharded.commit(path, self.groups, self.body, overwrite)
        else:
            folder.commit(path, self._fill, overwrite)
        return path

    def _fill(self, target: Path, generation: int) -> dict[str, Any]:
        files, groups = {}, {}
        for group, found in self.groups.items():
            name = f"{group}{f'-{generation}' if generation > 1 else ''}.safetensors"
            (target / name).unlink(missing_ok=True)
            files[name] = tensors.write(target / name, found, self.aliases if group == "params" else {})
            groups[group] = name
        return {**self.body, "files": files, "groups": groups}


def snapshot(
    plan: Plan | Ledger,
    params: Mapping[str, Any],
    state: Any,
    opt_state: Any,
    step: Any,
    key: Any,
    metadata: Any,
    only: str | Iterable[str] | None,
    *,
    copy: bool,
) -> Snapshot:
    """What `save` writes, as it is now. With `copy`, later changes of the arrays do not reach it."""
    ledger = ledger_of(plan)
    chosen = _chosen(ledger, params, only)
    groups: dict[str, dict[str, Any]] = {"params": {p: leaf(params, p) for p in chosen}}
    if state is not None:
        groups |= {"state": found} if (found := _checked_state(plan, state)) else {}
    training = {f"{name}/{n}" if n else name: v for name, tree in (("opt_state", opt_state), ("key", key))
                for n, v in leaves.named(tree).items()}  # fmt: skip
    if training:
        groups["training"] = training
    far = any(_is_far(a) for g in groups.values() for a in g.values())
    if not far:
        groups = {g: {n: leaves.to_host(n, v, copy) for n, v in found.items()} for g, found in groups.items()}
    body = {
        "tenure": __version__,
        "step": None if step is None else as_step(step),
        "metadata": metadata,
        "only": [] if only is None else globs(only),
        "has": [n for n, v in (("state", state), ("opt_state", opt_state), ("key", key)) if v is not None],
        "trees": {"key": skeleton(key), "state": skeleton(state)},
        "ties": {k: _tie_to_data(v) for k, v in (plan.ties if isinstance(plan, Plan) else {}).items()},
        "stages": {k: _stages_to_data(v) for k, v in (plan.stages if isinstance(plan, Plan) else {}).items()},
        "ledger": manifest.ledger_to_data(ledger),
        "files": {},
        "groups": {},
        "generation": 1,
    }
    return Snapshot(groups, _identities(ledger, chosen), body, far)


def _is_far(leaf: Any) -> bool:
    """Whether other processes hold a part of a leaf."""
    return isinstance(leaf, jax.Array) and not isinstance(leaf, jax.core.Tracer) and not leaf.is_fully_addressable


def ledger_of(plan: Any) -> Ledger:
    """The ledger of a plan, or the ledger itself.

    Raises:
      CheckpointError: it is neither.
    """
    ledger = plan if isinstance(plan, Ledger) else getattr(plan, "ledger", None)
    if not isinstance(ledger, Ledger):
        raise CheckpointError(
            f"a plan is needed, or its ledger, not {brief(plan)}", ways=["tn.save(path, model.plan(*inputs), params)"]
        )
    return ledger


def _chosen(ledger: Ledger, params: Mapping[str, Any], only: Any) -> list[str]:
    """The owners to be written: all, or those that `only` selects. Their leaves must be there and fit."""
    given = flat(params, "params")
    wanted = [p for p in ledger.owners if only is None or any(p in ledger.select(glob) for glob in globs(only))]
    missing = [p for p in wanted if p not in given]
    unknown = [] if only is not None else [p for p in given if p not in ledger.owners]
    parties = [Party("missing", p, str(ledger[p].shape)) for p in missing[:5]]
    parties += [Party("unknown", p, str(np.shape(given[p]))) for p in unknown[:5]]
    misfits = [p for p in wanted if p in given and tuple(np.shape(given[p])) != ledger[p].shape]
    parties += [Party("misfit", p, f"{np.shape(given[p])}, and the plan has {ledger[p].shape}") for p in misfits[:5]]
    if parties:
        raise ContentError(
            "the params are not those of the plan",
            parties=parties,
            near=nearest(unknown[0], ledger.owners) if unknown else (),
            ways=["save params with the plan of the model that they are of", "a part of them:  only='@lora'"],
        )
    return wanted


def _checked_state(plan: Plan | Ledger, state: Any) -> dict[str, Any]:
    """The leaves of a state by name, which must be those of the plan: a ledger alone does not know a state that is a tree."""
    given = leaves.named(state)
    if isinstance(plan, Plan):
        wanted = {name: (tuple(s.shape), str(s.dtype)) for name, s in leaves.named(plan.state).items()}
    else:
        rows = [r for r in plan.rows if r.collection == "state" and r.kind == "owned"]
        if any(r.dtype == "tree" for r in rows):
            return given
        wanted = {r.path: (r.shape, r.dtype) for r in rows}
    there = {name: (tuple(np.shape(v)), str(getattr(v, "dtype", type(v).__name__))) for name, v in given.items()}
    parties = [Party("missing", n, " ".join(map(str, wanted[n]))) for n in wanted if n not in there]
    parties += [Party("unknown", n, " ".join(map(str, there[n]))) for n in there if n not in wanted]
    parties += [
        Party("misfit", n, f"{there[n][0]} {there[n][1]}, and the plan has {wanted[n][0]} {wanted[n][1]}")
        for n in wanted
        if n in there and there[n] != wanted[n]
    ]
    if parties:
        raise ContentError(
            f"the state is not that of the plan: {len(parties)} leaves differ",
            parties=parties[:8],
            near=nearest(parties[0].path, set(wanted) - set(there)) if parties[0].role == "unknown" else (),
            ways=["save the state that init or apply of the plan's model returned", "leave state= out"],
        )
    return given


def _identities(ledger: Ledger, chosen: list[str]) -> dict[str, str]:
    """Borrowers that see just what their owner stores → the owner."""
    kept = {}
    for path in ledger.borrowers:
        row = ledger[path]
        owner = ledger[row.owners[0]]
        plain = len(row.owners) == 1 and not row.views and not any("@" in ledger[p].borrows for p in row.chain)
        if plain and owner.path in chosen and (row.shape, row.dtype) == (owner.shape, owner.dtype):
            kept[path] = owner.path
    return kept


def as_step(step: Any) -> int:
    """A step as a whole number.

    Raises:
      CheckpointError: it is none.
    """
    try:
        number = int(step)
        if number != step or number < 0:
            raise ValueError
        return number
    except (TypeError, ValueError):
        raise CheckpointError(f"a step is a whole number, not {brief(step)}", ways=["step=100"]) from None


def skeleton(tree: Any) -> Any:
    """A tree of dicts, lists and tuples as JSON: what is needed to build it again; None for what is no such tree.

    >>> skeleton({"a": [1, None]})
    {'dict': {'a': {'list': [{'leaf': 0}, {'none': 0}]}}}
    """
    try:
        return _bones(tree)
    except TypeError:
        return None


def _bones(tree: Any) -> Any:
    if tree is None:
        return {"none": 0}
    if type(tree) is dict:
        if not all(isinstance(k, str) for k in tree):
            raise TypeError
        return {"dict": {k: _bones(v) for k, v in tree.items()}}
    if type(tree) in (list, tuple):
        return {type(tree).__name__: [_bones(v) for v in tree]}
    if not jax.tree_util.all_leaves([tree]):
        raise TypeError
    return {"leaf": 0}


def built(bones: Any) -> Any:
    """A tree of zeros from its skeleton.

    >>> built(skeleton({"a": [1, None]}))
    {'a': [0, None]}

    Raises:
      ValueError: it is none.
    """
    if isinstance(bones, dict) and len(bones) == 1:
        ((kind, value),) = bones.items()
        if kind == "dict":
            return {k: built(v) for k, v in value.items()}
        if kind in ("list", "tuple"):
            return (list if kind == "list" else tuple)(built(v) for v in value)
        if kind in ("leaf", "none"):
            return 0 if kind == "leaf" else None
    raise ValueError(f"no skeleton of a tree: {brief(bones)}")


def _tie_to_data(tie: Any) -> Any:
    if isinstance(tie, (list, tuple)):
        return [_tie_to_data(t) for t in tie]
    if tie is None or (isinstance(tie, str) and tie == own):
        return _OWN
    if isinstance(tie, str) and tie == forbid:
        return _FORBID
    if isinstance(tie, (str, Ref)) and "⟨" not in str(tie):
        return str(tie)
    return {"unsaved": brief(tie)}


def tie_from_data(data: Any) -> Any:
    """A tie again.

    Raises:
      ValueError: it was no data, such as an array or a function.
    """
    if isinstance(data, list):
        return [tie_from_data(t) for t in data]
    if data in (_OWN, _FORBID):
        return own if data == _OWN else forbid
    if not isinstance(data, str):
        raise ValueError("an array or a function, which the file does not hold")
    return data


def _stages_to_data(stages: Any) -> Any:
    try:
        return [None if s is None else s.to_data() for s in read_list(stages, "stages=")]
    except TenureError:
        return {"unsaved": brief(stages)}
