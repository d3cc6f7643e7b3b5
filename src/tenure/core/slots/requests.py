"""Two requests for one path: the same one made again, or a conflict."""

from __future__ import annotations

import dataclasses
from typing import Any

from tenure.core.errors import Party, PathConflictError, RequestConflictError, brief
from tenure.core.notation import paths
from tenure.core.slots.slot import Request

Maker = tuple[Any, Any]  # the module (or name scope) that made a request, and how that one was built


def check_repeated(first: Request, maker: Maker, again: Request, other: Maker) -> None:
    """Raises unless a second request for a path is the first one, made again by the same module.

    Args:
      first, maker: the first request, and who made it.
      again, other: the second one, likewise.

    Raises:
      PathConflictError: another instance made the second request.
      RequestConflictError: the two ask for different things.
    """
    if maker[0] is not other[0] and not (maker[1] and other[1] and maker[1].replays(other[1])):
        name = paths.split(first.path)[1]
        raise PathConflictError(
            f"two instances ask for '{first.path}'",
            parties=[_built(first, maker, "first"), _built(again, other, "second")],
            ways=[
                "keep them apart: give one of them another name",
                f'share on purpose: give one another name, and  share={{"{name}": "/{first.path}"}}',
                f"or own it in the module around both:  tn.declare('{name}', …), and tn.borrow('{name}') in each",
            ],
        )
    differ = [k for k in ("shape", "dtype") if getattr(first, k) != getattr(again, k)]
    if not same_init(first.init, again.init):
        differ.append("initialiser")
    if first.asked_stages != again.asked_stages:
        differ.append("list of stages")
    if differ:
        raise RequestConflictError(
            f"'{first.path}' is asked for twice with another {' and '.join(differ)}",
            parties=[
                dataclasses.replace(r.party(role), what=f"{r.shape} {r.dtype} init={brief(r.init, 40)}")
                for r, role in ((first, "first"), (again, "second"))
            ],
            ways=["ask for the same thing both times", "give one of them another name"],
        )


def _built(request: Request, maker: Maker, role: str) -> Party:
    """The request, with the line that built its module."""
    site = maker[1].site if hasattr(maker[0], "module_name") else request.site
    return dataclasses.replace(request.party(role), site=str(site))


def same_init(a: Any, b: Any, depth: int = 3) -> bool:
    """Whether two initialisers are the same as far as one can see.

    >>> same_init(lambda s, d: 0, lambda s, d: 1)
    False
    """
    if a is b or depth == 0:
        return True
    if type(a) is not type(b):
        return False
    if hasattr(a, "__code__"):
        return a.__code__.co_code == b.__code__.co_code and a.__code__.co_consts == b.__code__.co_consts
    if hasattr(a, "func"):
        return (
            same_init(a.func, b.func, depth - 1) and str(a.args) == str(b.args) and str(a.keywords) == str(b.keywords)
        )
    if isinstance(a, (bool, int, float, str, tuple, list, type(None))):
        return a == b
    one, two = getattr(a, "__dict__", None), getattr(b, "__dict__", None)
    if not isinstance(one, dict) or not isinstance(two, dict):
        return True
    return one.keys() == two.keys() and all(same_init(one[k], two[k], depth - 1) for k in one)
