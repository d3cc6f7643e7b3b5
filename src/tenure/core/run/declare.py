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
from tenure.core.run.parameters import Initializer, get_parameter, plan_parameter, read_parameter, unplanned
from tenure.core.run.requests import request
from tenure.core.run.values import through
from tenure.core.sites import call_site
from tenure.core.slots.slot import as_shape, named
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
    scope = frame.scope
    names = frame.sources.declared.setdefault(paths.plain(scope.path), {})
    path, shape = paths.join(scope.path, name), as_shape(shape, paths.join(scope.path, name))
    site, earlier = call_site(), names.get(name)
    if earlier is not None and earlier[1:3] == (scope.id, frame.epoch):
        raise DeclaredTwiceError(
            f"'{name}' is declared twice in '{scope.path or '~'}'",
            parties=[
                Party("first", path, f"{earlier[4]} {named(earlier[5])}", str(earlier[3])),
                Party("second", path, f"{shape} {named(dtype)}", str(site)),
            ],
            ways=["declare it once, and borrow it everywhere else: tn.borrow(name)", "give one of them another name"],
        )
    names[name] = path, scope.id, frame.epoch, site, shape, dtype, init
    value = get_parameter(name, shape, dtype, init, axes=axes, stages=stages)
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
    scope = frame.scope
    around = paths.plain(scope.path).split("/")
    while True:
        entry = frame.sources.declared.get("/".join(around), {}).get(name)
        if entry is not None or not any(around):
            break
        around = around[:-1] or [""]
    path = paths.join(scope.path, name)
    if entry is None:
        asked = request(frame, path, (), None)
        entries = {e[0]: n for names in frame.sources.declared.values() for n, e in names.items()}
        near = nearest(path, [p for p, n in entries.items() if n == name or n in nearest(name, entries.values())])
        raise UndeclaredError(
            f"'{name}' is borrowed in '{scope.path or '~'}', and no module around it has declared it",
            parties=[
                Party("user", path, "", str(asked.site), asked.asker),
                Party("owner", f"(none of {', '.join(entries)})" if entries else "(nothing is declared)"),
            ],
            near=near,
            ways=[
                *[f"borrow what is declared:  tn.borrow('{entries[p]}')" for p in near[:1] if entries[p] != name],
                f"declare it in a module around this one, before it is built:  tn.declare('{name}', shape, init=…)",
                f'for modules side by side:  share={{"{name}": other.ref("…")}}',
            ],
        )
    ref = Ref(entry[0], (), absolute=True)
    if view is not None:
        ref = ref | view
    shape, dtype = _viewed(ref, entry, path)
    if entry[0] == path:  # the declaring module uses it itself
        return placeholder(shape, dtype) if frame.planning else through(frame, ref)
    source = Source("borrow", ref=ref, origin="declare", key=name, base="", site=call_site())
    outside = frame.sources.of(path)
    if outside is not OWN:
        source = outside._replace(hides=source)
    init = entry[6] if source.kind == "own" else None
    if frame.planning:
        return plan_parameter(frame, path, shape, dtype, init, None, source)
    if source.kind != "own" and path not in frame.plan.slots:
        raise unplanned(frame, path, shape, dtype, source)
    return read_parameter(frame, path, shape, dtype, init)


def _viewed(ref: Ref, entry: Any, path: str) -> tuple[tuple[int, ...], Any]:
    """The shape and dtype of a declaration seen through a view."""
    try:
        return follow(ref, lambda _: (entry[4], entry[5]), lambda view, spec, others: view.out(*spec, *others))
    except Misfit as e:
        raise ViewShapeError(
            f"the view of '{path}' does not fit its owner: {e}",
            parties=[
                Party("user", path, "", str(call_site()), through=" | ".join(map(str, ref.views))),
                Party("owner", ref.path, f"{entry[4]} {named(entry[5])}", str(entry[3])),
            ],
            ways=["borrow it through a view that fits, or through none"],
        ) from None
