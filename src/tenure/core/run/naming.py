"""Names: unique within the scope that builds a module, the same at every run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tenure.core.errors import Party, PathConflictError, PathSyntaxError, brief
from tenure.core.notation import paths
from tenure.core.run.frame import Frame, Scope, current_frame
from tenure.core.run.profile import by_profile
from tenure.core.sites import Site, call_site

T = TypeVar("T", bound=Callable[..., Any])

NUMBERED = re.compile(r"(.*)_(0|[1-9]\d*)$")
_HUMPS = re.compile(r"((?<=[a-z0-9])[A-Z]|(?!^)(?<!_)[A-Z](?=[a-z]))")


class ForcedName(str):
    """A name that stands for itself: no prefix, no number."""


def force_name(name: str) -> str:
    """An absolute name for a module or a scope. Two instances that force one name are an error, not a way to share.

    >>> import jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda x: tn.nn.Linear(3, name=tn.force_name("here/linear"))(x))
    >>> list(model.plan(jnp.ones(2)).params)
    ['here/linear']
    """
    return ForcedName(name)


@by_profile
def snake_case(name: str) -> str:
    """`MultiHeadAttention` → `multi_head_attention`, `Conv2D` → `conv2_d`.

    >>> snake_case("LayerNorm")
    'layer_norm'
    """
    return _HUMPS.sub(r"_\1", name).lower()


@by_profile
def unique_name(frame: Frame, name: str, site: Site) -> str:
    """The full name for something built in the innermost scope.

    The first `linear` is `linear`, the second `linear_1`; a name that ends in a number must be free.

    Raises:
      PathConflictError: an explicitly numbered name is taken.
    """
    if isinstance(name, ForcedName):
        return str(name)
    scope = frame.scopes[-1]
    match = NUMBERED.match(name)
    base = match[1] if match else name
    count = scope.counters.get(base, 0)
    number = int(match[2]) if match else count
    scope.counters[base] = max(count, number + 1)
    local = f"{base}_{number}" if number and not match else name
    if local in scope.used:
        raise PathConflictError(
            f"Module name {local!r} is not unique in {scope.prefix or 'the model'}",
            parties=[Party("first", local, "", str(scope.used[local])), Party("second", local, "", str(site))],
            ways=[
                "give one of them another name",
                f"leave the numbers away: they are counted, '{base}', '{base}_1', …",
            ],
        )
    scope.used[local] = site
    return f"{scope.prefix}/{local}" if scope.prefix else local


@by_profile
def check_name(name: str, site: Site) -> None:
    """Raises `PathSyntaxError` if `name` cannot name a module: it is neither a Python identifier nor a forced name."""
    if isinstance(name, ForcedName):
        paths.check(str(name), "module name")
    elif not isinstance(name, str) or not name.replace("~", "a").isidentifier():
        raise PathSyntaxError(
            f"{brief(name)} is not a valid module name",
            parties=[Party("module", brief(name), "", str(site))],
            ways=["use a Python identifier without '/', such as 'encoder'"],
        )


check_identifier: Callable[..., None] = check_name.__wrapped__  # type: ignore[attr-defined]  # whatever the front end


def current_name() -> str:
    """The full name of the innermost module or scope; `~` outside of any.

    >>> import tenure as tn
    >>> tn.transform(tn.current_name).apply({}, None)
    '~'
    """
    return current_frame("current_name").scope.path or "~"


class Construction:
    """How a module, or a name scope, came to be: for its name, its `share=`, its line in errors and its repr."""

    def __init__(self, frame: Frame, args: Any, kwargs: Any, share: Any, site: Site, stages: Any = None):
        self.args, self.kwargs, self.share, self.site, self.stages = args, kwargs, share, site, stages
        self.text = ""  # the constructor's call as a message shows it, once somebody asks
        self.shown, self.forced = frame.shows_modules, False
        scope = frame.scopes[-1]
        self.parent, self.method, self.scope_id, self.epoch = scope.path, scope.method, scope.id, frame.epoch

    def replays(self, other: Construction) -> bool:
        """Whether both are one line of one module's code, run again by another call of that module."""
        again = self.scope_id != other.scope_id or self.epoch != other.epoch
        same = self.parent == other.parent and self.method == other.method
        return again and same and self.site.same_asker(other.site)


@by_profile
@contextmanager
def name_scope(name: str, *, method_name: str = "__call__") -> Iterator[None]:
    """Names what is built inside as if a module called `name` built it in that method; `name` may contain `/`.

    Raises:
      PathSyntaxError: `name` is not a path.

    >>> import jax.numpy as jnp, tenure as tn
    >>> def f(x):
    ...     with tn.name_scope("encoder"):
    ...         return tn.nn.Linear(3)(x)
    >>> list(tn.transform(f).plan(jnp.ones(2)).params)
    ['encoder/linear']
    """
    frame = current_frame("name_scope")
    paths.check(str(name), "scope name")
    origin = Construction(frame, (), {}, None, call_site())
    with frame.within(Scope(unique_name(frame, name, origin.site), method_name, origin=origin)):
        yield


def transparent(method: T) -> T:
    """Decorator of a method: what it builds is named as if its caller had built it.

    >>> import jax.numpy as jnp, tenure as tn
    >>> class Net(tn.Module):
    ...     def __call__(self, x):
    ...         return self.head(x)
    ...     @tn.transparent
    ...     def head(self, x):
    ...         return tn.nn.Linear(3)(x)
    >>> list(tn.transform(lambda x: Net()(x)).plan(jnp.ones(2)).params)
    ['net/linear']
    """
    method._tenure_method = None  # type: ignore[attr-defined]
    return method


def name_like(method_name: str) -> Callable[[T], T]:
    """Decorator of a method: what it builds is named as if `method_name` had built it.

    >>> import jax.numpy as jnp, tenure as tn
    >>> class Net(tn.Module):
    ...     @tn.name_like("__call__")
    ...     def encode(self, x):
    ...         return tn.nn.Linear(3)(x)
    >>> list(tn.transform(lambda x: Net().encode(x)).plan(jnp.ones(2)).params)
    ['net/linear']
    """

    def mark(method: T) -> T:
        method._tenure_method = method_name  # type: ignore[attr-defined]
        return method

    return mark
