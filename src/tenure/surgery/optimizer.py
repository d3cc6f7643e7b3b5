"""An optimizer's state for other owners: entries come and go wherever the state has a tree like params.

An entry is an array like its parameter (moments, averages), nothing (`optax.MaskedNode`), one array for each axis (SM3, Shampoo), or
two factors (Adafactor). A new owner's entry is made of the old owner's through the views that led to it. What has no right
counterpart is refused, by the name of the leaf; so is the state of other params.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.errors import OptimizerStateError
from tenure.core.notation import paths, views
from tenure.core.notation.refs import Ref, follow
from tenure.core.slots.plan import Plan
from tenure.core.slots.slot import Slot
from tenure.core.trees import leaf
from tenure.surgery.belonging import check_belongs, empty, like, parts

_ALIKE = (views.StopGradient, views.Constrain, views.Scale, views.Cast)  # shapes stay, and entries are left alone
OnTree = Callable[[Mapping[str, Any], str], Any]
OnFactors = Callable[[Any, str], Any]


def with_owner(plan: Plan, params: Mapping[str, Any], path: str, opt_state: Any) -> Any:
    """The state once a borrower owns its value.

    Args:
      plan, params: of the model as it is.
      path: the borrower's.
      opt_state: any pytree.

    Raises:
      OptimizerStateError: a leaf that has no right counterpart, or is of other params.
    """
    adding = _Adding(plan, path)
    return _walk(opt_state, params, plan.slots[path], adding.tree, adding.factors)


def without_owners(plan: Plan, params: Mapping[str, Any], gone: Collection[str], opt_state: Any) -> Any:
    """The state once some owners borrow their values.

    Args:
      plan, params: of the model as it is.
      gone: the owners' paths.
      opt_state: any pytree.

    Raises:
      OptimizerStateError: a leaf that has no right counterpart, or is of other params.
    """

    def drop(tree: Mapping[str, Any], where: str) -> Any:
        new = {}
        for module, entries in tree.items():
            names = entries if isinstance(entries, Mapping) else params[module]
            kept = [n for n in names if paths.join(module, n) not in gone]
            if kept:
                new[module] = {n: entries[n] for n in kept} if isinstance(entries, Mapping) else entries
        return new

    def factors(node: Any, where: str) -> Any:
        return node._replace(**{f: drop(getattr(node, f), where) for f in ("v_row", "v_col", "v")})

    return _walk(opt_state, params, plan.slots[next(iter(gone))], drop, factors) if gone else opt_state


# where a state has trees like params


def _walk(state: Any, params: Mapping[str, Any], slot: Slot, on_tree: OnTree, on_factors: OnFactors) -> Any:
    for where, node in _tuples(state, ""):
        _refuse_joint(node, where, slot)
    check_belongs(state, params)
    leaves = [np.shape(v) for v in jax.tree.leaves(params)]
    total = sum(int(np.prod(s)) for s in leaves)

    def in_a_row(node: Any) -> bool:
        """Whether a node has the parameters in the order of their tree, and not by name."""
        row = type(node) in (list, tuple) and len(node) == len(leaves) > 1 and total > len(leaves)
        return row and [np.shape(v) if hasattr(v, "shape") else None for v in node] == leaves

    def walk(node: Any, where: str) -> Any:
        if like(node, params):
            return on_tree(node, where)
        if {"v_row", "v_col", "v"} <= _fields(node) and like(node.v, params):
            return on_factors(node, where)
        if in_a_row(node):
            raise _refused(where, slot, "it has the parameters in the order of their tree, and not by name")
        inner = [walk(part, place) for place, part in parts(node, where, lambda _: True) if part is not node]
        if inner:
            return jax.tree.unflatten(jax.tree.structure(node, is_leaf=lambda n: n is not node), inner)
        if np.shape(node) == (total,) and total > 1 and len(leaves) > 1:
            raise _refused(where, slot, "it has the numbers of all parameters in one row (optax.flatten)")
        return node

    return walk(state, "")


def _refuse_joint(node: Any, where: str, slot: Slot) -> None:
    """Raises for what is about several parameters, or several steps, at once, which is known by the fields of its tuple.

    Args:
      node: a named tuple of the state.
      where: its place.
      slot: the one whose owner changes, for the error.
    """
    fields = _fields(node)
    if "diff_params_memory" in fields:
        raise _refused(f"{where}/diff_params_memory", slot, "L-BFGS remembers inner products of all parameters")
    if {"base_optimizer_state", "projector"} <= fields:
        raise _refused(f"{where}/projector/{slot.path}", slot, "GaLore keeps what lies in a subspace of each matrix")
    summed = {"mini_step", "acc_grads"} <= fields or {"count", "grad_acc"} == fields
    if summed and not _is_zero(node.mini_step if "mini_step" in fields else node.count):
        name = "acc_grads" if "acc_grads" in fields else "grad_acc"
        raise _refused(f"{where}/{name}", slot, "it sums the gradients of steps that are not finished")


def _tuples(node: Any, where: str) -> Iterator[tuple[str, Any]]:
    """All named tuples in a state, with their places, from outside to inside."""
    if _fields(node):
        yield where, node
    for place, part in parts(node, where, lambda n: bool(_fields(n))):
        if part is not node:
            yield from _tuples(part, place)


def _fields(node: Any) -> set[str]:
    return set(getattr(node, "_fields", ())) if isinstance(node, tuple) else set()


def _is_zero(value: Any) -> bool:
    try:
        return int(value) == 0
    except (TypeError, jax.errors.ConcretizationTypeError):
        return False


# what a new owner gets


class _Adding:
    """Entries for a borrower that is to own its value."""

    def __init__(self, plan: Plan, path: str):
        self.plan, self.path = plan, path
        self.slot = plan.slots[path]
        self.owners = plan.ledger.owners_of(path)
        self.owner = plan.slots[self.owners[0]]
        self.shape = tuple(self.slot.layers + self.slot.shape)
        self.order = _permutation(plan, path)

    def tree(self, tree: Mapping[str, Any], where: str) -> Any:
        """A tree like params, with one entry more."""
        return tree if self._stays(tree, where) else self._put(tree, self._entry(tree, where))

    def _stays(self, tree: Mapping[str, Any], where: str) -> bool:
        """Whether the optimizer is one of a part of the params without the owners, or masks the new leaf's module."""
        absent = [o for o in self.owners if not _has(tree, o)]
        if absent and len(absent) < len(self.owners):
            raise _refused(f"{where}/{absent[0]}", self.slot, "the optimizer has some of its owners, and lacks some")
        module = paths.split(self.path)[0]
        return bool(absent) or (module in tree and empty(tree[module]))

    def _put(self, tree: Mapping[str, Any], value: Any) -> Any:
        module, name = paths.split(self.path)
        whole = module not in tree and empty(tree[paths.split(self.owners[0])[0]])
        return {**tree, module: value if whole else {**tree.get(module, {}), name: value}}

    def _entry(self, tree: Mapping[str, Any], where: str) -> Any:
        found = {o: _entry_of(tree, o) for o in self.owners}
        masked = [o for o, e in found.items() if empty(e)]
        if masked and len(masked) < len(found):
            raise _refused(f"{where}/{masked[0]}", self.slot, "some of its owners are masked, and some are not")
        first = found[self.owners[0]]
        return self._checked_mask(first, where) if masked else self._made(first, found, f"{where}/{self.owners[0]}")

    def _checked_mask(self, entry: Any, where: str) -> Any:
        if self._alike() or len(self.shape) == len(self.owner.full_shape):
            return entry
        raise _refused(f"{where}/{self.owners[0]}", self.slot, "it is masked, and the new leaf has other axes")

    def _made(self, entry: Any, found: Mapping[str, Any], name: str) -> Any:
        stored = tuple(self.owner.full_shape)
        if all(_is_array(e) and np.shape(e) == tuple(self.plan.slots[o].full_shape) for o, e in found.items()):
            return jnp.array(_through(self.plan, self.path, lambda o: found[o]), copy=True)
        if self._alike() or (_is_array(entry) and np.ndim(entry) == 0):
            return jax.tree.map(lambda a: jnp.array(a, copy=True) if isinstance(a, jax.Array) else a, entry)
        if self.order is not None and _is_per_axis(entry, stored):
            return type(entry)(jnp.array(entry[i], copy=True) for i in self.order)
        if _fields(entry) and len(self.owners) == 1:
            made = {f: getattr(entry, f) for f in entry._fields}
            return entry._replace(**{f: self._made(e, {self.owners[0]: e}, f"{name}/{f}") for f, e in made.items()})
        shapes = ", ".join(str(np.shape(a)) for a in jax.tree.leaves(entry)[:3])
        raise _refused(name, self.slot, f"its shape is {shapes}, and no rule says what the new leaf's is")

    def _alike(self) -> bool:
        """Whether the borrower sees its owner's leaf as it is stored."""
        same = tuple(self.owner.full_shape) == self.shape and len(self.owners) == 1
        return same and self.order == list(range(len(self.shape)))

    def factors(self, node: Any, where: str) -> Any:
        """Adafactor's three trees, with one entry more in each."""
        owner = self.owners[0]
        if self._stays(node.v, where):
            return node
        row, column, full = (_entry_of(getattr(node, f), owner) for f in ("v_row", "v_col", "v"))
        if empty(full):
            entries = [self._checked_mask(full, where)] * 3
        elif self._alike():
            entries = [jnp.array(e, copy=True) for e in (row, column, full)]
        else:
            entries = self._factored(row, column, full, f"{where}/v_row/{owner}")
        made = zip(("v_row", "v_col", "v"), entries, strict=True)
        return node._replace(**{field: self._put(getattr(node, field), entry) for field, entry in made})

    def _factored(self, row: Any, column: Any, full: Any, name: str) -> list[Any]:
        stored = tuple(self.owner.full_shape)
        if np.shape(full) == stored and np.shape(row) == (1,) and len(self.owners) == 1:
            largest = sorted(stored)[-2:-1] or [0]
            if len(self.shape) < 2 or sorted(self.shape)[-2] <= largest[0]:
                value = _through(self.plan, self.path, lambda _: full)
                return [jnp.array(row, copy=True), jnp.array(column, copy=True), jnp.array(value, copy=True)]
        elif self.order is not None and len(stored) == 2 and not self.slot.stack:
            short, long = np.argsort(stored)
            by_axis = {short: row, long: column}  # the row factor has one number for each index of the shorter axis
            short, long = (self.order[i] for i in np.argsort(self.shape))
            return [jnp.array(e, copy=True) for e in (by_axis[short], by_axis[long], full)]
        raise _refused(name, self.slot, "it is a factor, and the new leaf may be factored otherwise")


def _has(tree: Mapping[str, Any], path: str) -> bool:
    module, name = paths.split(path)
    return module in tree and (empty(tree[module]) or name in tree[module])


def _entry_of(tree: Mapping[str, Any], path: str) -> Any:
    module, _ = paths.split(path)
    return tree[module] if empty(tree[module]) else leaf(tree, path)


def _is_array(entry: Any) -> bool:
    return isinstance(entry, (jax.Array, np.ndarray))


def _is_per_axis(entry: Any, shape: tuple[int, ...]) -> bool:
    """Whether an entry has one array for each axis, whose own axes are all of that size."""
    return (
        type(entry) in (list, tuple)
        and len(entry) == len(shape)
        and all(_is_array(e) and set(np.shape(e)) == {n} for e, n in zip(entry, shape, strict=True))
    )


def _permutation(plan: Plan, path: str) -> list[int] | None:
    """The order in which a borrower sees its owner's axes; None if views do more than that."""
    slot = plan.slots[path]
    if slot.target is None:
        return list(range(len(slot.full_shape)))
    target = plan.slots[slot.target.path]
    order = _permutation(plan, slot.target.path)
    layers = len(slot.stack)
    if order is None or slot.stack != target.stack:
        return None
    for view in slot.target.views:
        first, rest = order[:layers], order[layers:]
        if isinstance(view, views.Transpose):
            order = first + rest[::-1]
        elif isinstance(view, views.Permute):
            order = first + [rest[i] for i in view.arguments["order"]]
        elif not isinstance(view, _ALIKE):
            return None
    return order


def _through(plan: Plan, path: str, take: Callable[[str], Any]) -> Any:
    """A slot's value in a tree like params, layer by layer where it stands in a stack; scale and cast leave it alone.

    Args:
      plan: of the model as it is.
      path: the slot's.
      take: from an owner's path to its entry.
    """
    slot = plan.slots[path]
    if slot.target is None:
        stored = take(path)  # an optimizer knows nothing of a weight that is not stored as it is
        whole = tuple(slot.layers + slot.shape)
        return stored if tuple(stored.shape) == whole else jnp.zeros(whole, slot.dtype)
    refs: list[Ref] = []
    follow(slot.target, refs.append, lambda view, value, others: None)

    def step(view: Any, value: Any, others: list[Any]) -> Any:
        return value if isinstance(view, (views.Scale, views.Cast)) else view(value, *others)

    def one(*values: Any) -> Any:
        given = iter(values)
        return follow(slot.target, lambda ref: next(given), step)  # type: ignore[arg-type]

    run: Callable[..., Any] = one
    for prefix, size in reversed(slot.stack):
        inside = [any(prefix == p for p, _ in plan.slots[r.path].stack) for r in refs]
        run = _over_layers(run, inside, size)
    return run(*(_through(plan, ref.path, take) for ref in refs))


def _over_layers(run: Callable[..., Any], inside: list[bool], size: int) -> Callable[..., Any]:
    if any(inside):
        return jax.vmap(run, in_axes=tuple(0 if i else None for i in inside), axis_size=size)
    return lambda *values: jnp.broadcast_to((out := run(*values))[None], (size, *out.shape))


def _refused(name: str, slot: Slot, why: str) -> OptimizerStateError:
    return OptimizerStateError(
        f"the optimizer's leaf '{name.lstrip('/')}' has no right counterpart for '{slot.path}': {why}",
        parties=[slot.party("slot")],
        ways=[
            "give no opt_state, and start anew:  optimizer.init(params)",
            "with optax.MultiSteps and apply_every: right after an update",
        ],
    )
