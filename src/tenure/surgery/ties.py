"""`tie` and `untie`: pure functions on ties, params and optimizer state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp

from tenure.core.compare import distance
from tenure.core.errors import NoInverseError, TieValueError, UnknownSlotError, ViewShapeError, brief, nearest
from tenure.core.notation import paths
from tenure.core.notation.operation import Misfit
from tenure.core.notation.refs import NoWayBack, Ref, back, follow
from tenure.core.notation.stage import STRUCTURAL, on_use
from tenure.core.notation.view import View
from tenure.core.run import values
from tenure.core.run.values import offline
from tenure.core.slots.link import fitting_view
from tenure.core.slots.plan import Plan
from tenure.core.slots.sources import own
from tenure.core.slots.table import WEIGHT
from tenure.core.trees import Tree, flat, leaf, nest, put, replaced
from tenure.surgery.arguments import of_plan_and_params
from tenure.surgery.optimizer import with_owner, without_owners
from tenure.surgery.weights import assign, weights


class Retied(NamedTuple):
    """What `tie` and `untie` return: for `tn.transform(f, ties=ties, stages=stages)`, `apply(params, …)` and the optimizer."""

    ties: dict[str, Any]
    params: Tree
    opt_state: Any
    stages: dict[str, Any]


@of_plan_and_params
def untie(
    plan: Plan, params: Mapping[str, Any], path: str, opt_state: Any = None, *, state: Mapping[str, Any] | None = None
) -> Retied:
    """Gives a borrower a leaf of its own, with the value that it borrows now, so that outputs stay as they are.

    Args:
      plan: the plan of the tied model.
      params: its parameters.
      path: the borrower's slot.
      opt_state: any pytree, such as the state of an optax optimizer; where it holds trees like `params`, the new owner's
        entry is made of the old one's, through the view.
      state: the model's, where stages keep some.

    Returns:
      The ties to transform the function with, the params and the optimizer state that go with them.

    Raises:
      UnknownSlotError: there is no such slot, or it owns its value already.
      OptimizerStateError: a leaf of the optimizer state has no right counterpart, or is of other params; the message names it.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> def f(x):
    ...     return tn.nn.Linear(4, with_bias=False, name="b")(tn.nn.Linear(4, with_bias=False, name="a")(x))
    >>> model = tn.transform(f, ties={"b/w": "a/w"})
    >>> plan, params = model.plan(jnp.ones(4)), model.init(jax.random.key(0), jnp.ones(4))
    >>> free = tn.untie(plan, params, "b/w")
    >>> free.ties, list(free.params)
    ({'b/w': own}, ['a', 'b'])
    """
    row = plan.ledger[path]
    if row.kind != "borrowed":
        raise UnknownSlotError(
            f"'{row.path}' is {row.kind}, so there is nothing to untie",
            parties=[row.party("owner")],
            ways=["untie a borrower: " + ", ".join(plan.ledger.users_of(row.path)[1:] or ["(it has none)"])],
        )
    ties = {k: v for k, v in plan.ties.items() if paths.plain(k) != paths.plain(row.path)}
    opt_state = with_owner(plan, params, row.path, opt_state)
    new = _with_weight(plan, params, row.path, state)
    return Retied({**ties, row.path: own}, new, opt_state, _kept_stages(plan, row.path))


def _kept_stages(plan: Plan, path: str) -> dict[str, Any]:
    """The model's stages once a borrower owns its value: the plain weight is stored, what disturbs it stays."""
    slot = plan.slots[path]
    owners = [plan.slots[o] for o in plan.ledger.owners_of(path)]
    if not any(s.stages for s in (slot, *owners)) and not slot.use_stages:
        return plan.stages
    tapped = slot.target is not None and slot.target.tap
    kept = [s for s in owners[0].stages if s.kind != STRUCTURAL and not tapped]
    uses = [on_use(s) for s in slot.use_stages]
    return {path: [None, *kept, *uses], **{k: v for k, v in plan.stages.items() if k.removeprefix("/") != path}}


@of_plan_and_params
def tie(
    plan: Plan,
    params: Mapping[str, Any],
    ties: Mapping[str, Any],
    opt_state: Any = None,
    *,
    take: str | None = None,
    state: Mapping[str, Any] | None = None,
) -> Retied:
    """Makes owners borrow: their leaves go, and the lender's stays.

    Args:
      plan: the plan of the model as it is.
      params: its parameters.
      ties: slot path → reference, as for `transform`. The slots must be owned now.
      opt_state: any pytree; where it holds trees like `params`, the borrowers' entries go.
      take: where the values differ, the path whose value is to stay: the owner's, or a borrower's (moved to the owner
        through the inverse of the view).
      state: the model's, where stages keep some.

    Returns:
      The ties to transform the function with, the params and the optimizer state that go with them.

    Raises:
      TieValueError: two different values, and no `take`.
      NoInverseError: `take` names a borrower whose view has no inverse.
      UnknownSlotError, ViewShapeError: the tie does not fit the model.
      OptimizerStateError: a leaf of the optimizer state has no right counterpart, or is of other params; the message names it.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> def f(x):
    ...     return tn.nn.Linear(4, with_bias=False, name="b")(tn.nn.Linear(4, with_bias=False, name="a")(x))
    >>> model = tn.transform(f)
    >>> plan, params = model.plan(jnp.ones(4)), model.init(jax.random.key(0), jnp.ones(4))
    >>> tied = tn.tie(plan, params, {"b/w": "a/w"}, take="a/w")
    >>> tied.ties, list(tied.params)
    ({'b/w': '/a/w'}, ['a'])
    """
    new, plain, gone = params, weights(plan, params, state), []
    if not isinstance(ties, Mapping):
        raise UnknownSlotError(f"ties is {brief(ties)}, not a dict", ways=["{'head/w': 'embed/w | transpose'}"])
    refs = {user: Ref.parse(target) for user, target in ties.items()}
    lenders = {plan.ledger[user].path: plan.ledger[ref.path].path for user, ref in refs.items()}
    sides = {*lenders, *lenders.values()}
    if take is not None and plan.ledger[take].path not in sides:
        raise UnknownSlotError(
            f"take={brief(take)} is no side of these ties", near=nearest(take, sides), ways=["name the slot to keep"]
        )
    _check_ends(lenders)
    for user, ref in refs.items():
        row, lender = plan.ledger[user], plan.ledger[ref.path]
        for r in (row, lender):
            if r.kind != "owned":
                raise UnknownSlotError(
                    f"'{r.path}' is {r.kind}; tie owners", parties=[r.party("slot")], ways=["tn.untie it first"]
                )
        mine, theirs = leaf(plain, row.path), leaf(plain, lender.path)
        seen = _seen(ref, plain, plan, row.path)
        if take is not None and paths.plain(take) == paths.plain(row.path):
            put(plain, lender.path, _back(ref, mine, theirs, row.path))
            assigned = assign(plan, new, {lender.path: leaf(plain, lender.path)}, state)
            new = assigned if state is None else assigned[0]
        elif take is None or paths.plain(take) != paths.plain(lender.path):
            _check_equal(row, lender, ref, mine, seen)
        gone += [row.path, *plan.slots[row.path].parts.values()]
    absolute = {user: str(Ref(ref.path, ref.views, True)) for user, ref in refs.items()}
    opt_state = without_owners(plan, params, gone, opt_state)
    return Retied({**plan.ties, **absolute}, replaced(new, {}, gone), opt_state, plan.stages)


def _check_ends(lenders: Mapping[str, str]) -> None:
    """Raises if a slot would borrow from itself, directly or in a circle; `lenders` are slots → the slots that they borrow from."""
    for user in lenders:
        seen = [user]
        while seen[-1] in lenders:
            seen.append(lenders[seen[-1]])
            if seen[-1] in seen[:-1]:
                raise UnknownSlotError(
                    f"'{user}' would borrow from itself: {' → '.join(seen)}", ways=["tie to an owner that stays"]
                )


def _with_weight(plan: Plan, params: Mapping[str, Any], path: str, state: Mapping[str, Any] | None) -> Tree:
    """The params with a leaf for a borrower, the leaves in the order of the model's slots.

    Args:
      plan, params: of the model as it is.
      path: the borrower's.
      state: the model's, where stages keep some.
    """
    value = values.evaluate(offline(plan, params, state), path, WEIGHT)
    leaves = {**flat(params, "params"), path: jnp.array(value, copy=True)}
    order = {p: i for i, p in enumerate(plan.slots)}
    return nest(dict(sorted(leaves.items(), key=lambda item: order.get(item[0], -1))))


def _seen(ref: Ref, tree: Tree, plan: Plan, user: str) -> Any:
    """What a reference makes of plain weights.

    Args:
      ref: the reference.
      tree: plain weights, by module and name.
      plan: of the model as it is.
      user: who borrows, for the error.
    """

    def step(view: View, value: Any, others: list[Any]) -> Any:
        view.out(value.shape, value.dtype, *((other.shape, other.dtype) for other in others))
        return view(value, *others)

    try:
        return follow(ref, lambda ref: leaf(tree, plan.ledger[ref.path].path), step)
    except (Misfit, NotImplementedError) as e:
        raise ViewShapeError(f"'{user}': {e}", ways=["change the view"]) from None


def _back(ref: Ref, mine: Any, theirs: Any, user: str) -> Any:
    """The lender's weight for which the borrower's is `mine`.

    Args:
      ref: the reference.
      mine: the borrower's weight.
      theirs: the lender's weight as it is.
      user: who borrows, for the error.
    """
    try:
        return back(ref, mine, theirs.shape, theirs.dtype)
    except NoWayBack as e:
        raise NoInverseError(
            f"the value of '{user}' can not be moved to '{ref.path}': the view '{e.view}' has no inverse",
            ways=[f"take='{ref.path}'"],
        ) from None


def _way(user: str, ref: Ref, shape: tuple[int, ...], needed: tuple[int, ...]) -> str:
    found = fitting_view(shape, needed)
    if found is None:
        return f"no view leads from {shape} to {needed}: tie what has the size that fits"
    return f"{found[0]}:  ties={{'{user}': '{str(ref).removeprefix('/')} | {found[1]}'}}"


def _check_equal(row: Any, lender: Any, ref: Ref, mine: Any, seen: Any) -> None:
    if mine.shape != seen.shape:
        raise ViewShapeError(
            f"'{row.path}' needs {mine.shape} but its owner gives {seen.shape}",
            parties=[row.party("user"), lender.party("owner")],
            ways=[_way(row.path, ref, seen.shape, mine.shape), "leave them untied"],
        )
    gap = distance(mine, seen)
    if gap > 0:
        raise TieValueError(
            f"'{row.path}' and '{ref}' have different values: max|Δ| = {gap:.3g}",
            parties=[row.party("user"), lender.party("owner")],
            ways=[
                f"keep the owner's:     take='{lender.path}'",
                f"keep the borrower's:  take='{row.path}'",
                "leave them untied",
            ],
        )
