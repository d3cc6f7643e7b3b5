"""`declare` and `borrow`: a parameter of the module around, by name, for every module built inside of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core import paths, views
from tenure.core.errors import DeclaredTwiceError, Party, UndeclaredError, ViewShapeError, nearest
from tenure.core.frame import current_frame, placeholder
from tenure.core.refs import Ref
from tenure.core.sites import call_site
from tenure.core.slot import Slot, describe
from tenure.core.slots import Initializer, get_parameter, plan_parameter, sourced
from tenure.core.sources import Source
from tenure.core.values import through


def declare(
    name: str, shape: Sequence[int], dtype: Any = jnp.float32, init: Initializer | None = None, *, axes: Any = None
) -> jax.Array:
    """The current module owns `name`, and every module built inside of it may `borrow` it.

    Raises:
      DeclaredTwiceError: this module has declared it before.
    """
    frame = current_frame("declare")
    scope = frame.scope
    names = frame.sources.declared.setdefault(paths.plain(scope.path), {})
    site, earlier = call_site(), names.get(name)
    if earlier is not None and earlier[1:3] == (scope.id, frame.epoch):
        raise DeclaredTwiceError(
            f"'{name}' is declared twice in '{scope.path or '~'}'",
            parties=[Party("first", name, "", str(earlier[3])), Party("second", name, "", str(site))],
            ways=["declare it once, and borrow it everywhere else: tn.borrow(name)", "give one of them another name"],
        )
    path = paths.join(scope.path, name)
    names[name] = path, scope.id, frame.epoch, site, tuple(shape), dtype
    value = get_parameter(name, shape, dtype, init, axes=axes)
    if frame.planning:
        frame.slots[path].declared = True
    return value


def borrow(name: str, view: Any = None) -> jax.Array:
    """The value of the nearest enclosing module's declaration of `name`, through a view if one is given.

    The borrower's own slot has the same local name, so the ledger shows who borrows.

    Raises:
      UndeclaredError: no module around this one has declared it.
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
        slot = Slot(path, "borrowed", (), None)
        describe(frame, slot)
        declared = [f"{m or '~'}: {n}" for m, names in frame.sources.declared.items() for n in names]
        raise UndeclaredError(
            f"'{name}' is borrowed in '{scope.path or '~'}', and no module around it has declared it",
            parties=[Party("user", path, slot.asker, str(slot.site)), Party("owner", "nobody")],
            near=nearest(name, [n for names in frame.sources.declared.values() for n in names]) or declared,
            ways=[
                f"tn.declare('{name}', shape, init=…) in a module around it, before it",
                "share= or ties=, for modules side by side",
            ],
        )
    ref = Ref(entry[0], (), absolute=True)
    if view is not None:
        ref = ref | view
    shape, dtype = _viewed(ref, entry[4], entry[5])
    if entry[0] == path:  # the declaring module uses it itself
        return placeholder(shape, dtype) if frame.planning else through(frame, ref)
    source = Source("borrow", ref=ref, origin="declare", key=name, base="", site=call_site())
    if frame.planning:
        return plan_parameter(frame, path, shape, dtype, None, None, source)
    return sourced(frame, path, shape, dtype, None, source)


def _viewed(ref: Ref, shape: tuple[int, ...], dtype: Any) -> tuple[tuple[int, ...], Any]:
    for view in ref.views:
        try:
            shape, dtype = view.out(shape, dtype)
        except views.Misfit as e:
            raise ViewShapeError(
                f"'{ref}': {e}", parties=[Party("owner", ref.path, str(shape))], ways=["change the view"]
            ) from None
    return shape, dtype
