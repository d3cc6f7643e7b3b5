"""`declare` and `borrow`: a parameter of the module around, by name, for every module built inside of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.errors import DeclaredTwiceError, Party, UndeclaredError, ViewShapeError, nearest
from tenure.core.notation import paths
from tenure.core.notation.operation import Misfit
from tenure.core.notation.refs import Ref, follow
from tenure.core.run.frame import current_frame, placeholder
from tenure.core.run.parameters import Initializer, check_planned, get_parameter, plan_parameter, read_parameter
from tenure.core.run.values import through
from tenure.core.sites import call_site
from tenure.core.slots.slot import Request, as_shape
from tenure.core.slots.sources import OWN, Source


def declare(
    name: str,
    shape: Sequence[int],
    dtype: Any = jnp.float32,
    init: Initializer | None = None,
    *,
    axes: Any = None,
    stages: Any = None,
) -> jax.Array:
    """The current module owns `name`, and every module built inside of it may `borrow` it.

    Args:
      name: local name.
      shape: of the array.
      dtype: of the array.
      init: as for `get_parameter`.
      axes: logical names of the axes, for `ledger.shardings`.
      stages: what the value goes through between what is stored and what is returned.

    Raises:
      DeclaredTwiceError: this module has declared it before.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> def f(x):
    ...     tn.declare("table", (3, 3), init=jnp.ones)
    ...     return tn.borrow("table") @ x
    >>> tn.transform(f).init(None, jnp.ones(3))["~"]["table"].shape
    (3, 3)
    """
    frame = current_frame("declare")
    path, here = paths.join(frame.scope.path, name), (frame.scope.id, frame.epoch)
    declared, key = frame.sources.declared, (paths.plain(frame.scope.path), name)
    asked = Request(path, as_shape(shape, path), dtype, site=call_site(), init=init)
    if key in declared and declared[key][1] == here:
        raise DeclaredTwiceError(
            f"'{name}' is declared twice in '{frame.scope.path or '~'}'",
            parties=[declared[key][0].party("first"), asked.party("second")],
            ways=["declare it once, and borrow it everywhere else: tn.borrow(name)", "give one of them another name"],
        )
    declared[key] = asked, here
    value = get_parameter(name, asked.shape, dtype, init, axes=axes, stages=stages)
    if frame.planning:
        frame.requests[path] = frame.requests[path].but(declared=True)
    return value


def borrow(name: str, view: Any = None) -> jax.Array:
    """The value of the nearest enclosing module's declaration of `name`, through a view if one is given.

    The borrower's own slot has the same local name, so the ledger shows who borrows.

    Raises:
      UndeclaredError: no module around this one has declared it.

    >>> import jax.numpy as jnp, tenure as tn
    >>> class Unembed(tn.Module):
    ...     def __call__(self, x):
    ...         return x @ tn.borrow("table", "transpose")
    >>> class Model(tn.Module):
    ...     def __call__(self, x):
    ...         table = tn.declare("table", (5, 3), init=jnp.ones)
    ...         return Unembed()(table[0] * x)
    >>> tn.transform(lambda x: Model()(x)).plan(jnp.ones(3)).ledger.owner_of("model/unembed/table")
    'model/table'
    """
    frame = current_frame("borrow")
    scope, declared = frame.scope, frame.sources.declared
    path = paths.join(scope.path, name)
    inner = paths.plain(scope.path)
    around = [inner.rsplit("/", n)[0] for n in range(inner.count("/") + 1)]
    owner = next((declared[module, name][0] for module in (*around, "") if (module, name) in declared), None)
    if owner is None:
        known = {asked.path: key[1] for key, (asked, _) in declared.items()}
        near = nearest(path, [p for p, n in known.items() if n == name or n in nearest(name, known.values())])
        raise UndeclaredError(
            f"'{name}' is borrowed in '{scope.path or '~'}', and no module around it has declared it",
            parties=[
                frame.request(path, (), None).party("user"),
                Party("owner", f"(none of {', '.join(known)})" if known else "(nothing is declared)"),
            ],
            near=near,
            ways=[
                *[f"borrow what is declared:  tn.borrow('{known[p]}')" for p in near[:1] if known[p] != name],
                f"declare it in a module around this one, before it is built:  tn.declare('{name}', shape, init=…)",
                f'for modules side by side:  share={{"{name}": other.ref("…")}}',
            ],
        )
    ref = Ref(owner.path, (), absolute=True)
    if view is not None:
        ref = ref | view
    shape, dtype = _viewed(ref, owner, path)
    if owner.path == path:  # the declaring module uses it itself
        return placeholder(shape, dtype) if frame.planning else through(frame, ref)
    source = Source("borrow", ref=ref, origin="declare", key=name, base="", site=call_site())
    outside = frame.sources.of(path)
    if outside is not OWN:
        source = outside._replace(hides=source)
    init = owner.init if source.kind == "own" else None
    if frame.planning:
        return plan_parameter(frame, path, shape, dtype, init, None, source)
    if path not in frame.plan.slots:
        check_planned(frame, path, shape, dtype, source)
    return read_parameter(frame, path, shape, dtype, init)


def _viewed(ref: Ref, owner: Request, path: str) -> tuple[tuple[int, ...], Any]:
    """The shape and dtype of a declaration seen through a view."""
    try:
        return follow(ref, lambda _: (owner.shape, owner.dtype), lambda view, spec, others: view.out(*spec, *others))
    except Misfit as e:
        raise ViewShapeError(
            f"the view of '{path}' does not fit its owner: {e}",
            parties=[
                Party("user", path, "", str(call_site()), through=" | ".join(map(str, ref.views))),
                owner.party("owner"),
            ],
            ways=["borrow it through a view that fits, or through none"],
        ) from None
