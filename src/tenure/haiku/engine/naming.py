"""Names as Haiku gives them: counted per call of the method that builds, forced names included."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from tenure.core.errors import Party, PathConflictError, PathSyntaxError, brief
from tenure.core.run.frame import Frame, Scope
from tenure.core.run.module import Module
from tenure.core.run.naming import NUMBERED, ForcedName, check_identifier
from tenure.core.sites import Site
from tenure.haiku.engine.frames import the_frame

_HUMPS = re.compile(r"((?<=[a-z0-9])[A-Z]|(?!^)[A-Z](?=[a-z]))")


def snake_case(name: str) -> str:
    """A module's default name, from its class's: as in Haiku, an underscore of the class's name stays beside the new one.

    >>> snake_case("MultiHeadAttention"), snake_case("_Block"), snake_case("FooBar_Baz")
    ('multi_head_attention', '__block', 'foo_bar__baz')
    """
    return _HUMPS.sub(r"_\1", name).lower()


def check_name(name: str, site: Site) -> None:
    """Raises `PathSyntaxError` if `name` cannot name a module: Haiku's names are of ASCII letters only."""
    if isinstance(name, str) and not name.isascii():
        raise PathSyntaxError(
            f"{brief(name)} is not a valid module name (must be a valid Python identifier of ASCII letters)",
            parties=[Party("module", brief(name), "", str(site))],
            ways=["give it a name, super().__init__(name='encoder'), if the class's own name is not ASCII"],
        )
    check_identifier(name, site)


def unique_name(frame: Frame, name: str, site: Site) -> str:
    """The full name for something built in the innermost scope.

    Raises:
      PathConflictError: an explicitly numbered name is taken.
    """
    scope = frame.scope
    if isinstance(name, ForcedName):
        return _reserve(scope, str(name), site)
    full = f"{scope.prefix}/{name}" if scope.prefix else name
    match = NUMBERED.match(full)
    if match is None:
        number = scope.counters.get(full, 0)
        full = f"{full}_{number}" if number else full
    if full in scope.used:
        raise PathConflictError(
            f"Module name '{full}' is not unique.",
            parties=[Party("first", full, "", str(scope.used[full])), Party("second", full, "", str(site))],
            ways=["give one of them another name", "leave the number away: names are counted, 'l', 'l_1', …"],
        )
    return _reserve(scope, full, site)


def _reserve(scope: Scope, full: str, site: Site) -> str:
    scope.used[full] = site
    match = NUMBERED.match(full)
    base, number = (match[1], int(match[2])) if match else (full, 0)
    scope.counters[base] = max(scope.counters.get(base, 0), number + 1)
    return full


class NameScopeModule(Module):
    """Stands for a name scope among the modules."""


class NameScope:
    """A context that puts a name before those of all modules, parameters and states inside. It can be used once."""

    def __init__(self, name: str, method_name: str):
        if not name or name[0] == "/":
            raise PathSyntaxError("Name scopes must not start with /", ways=["hk.name_scope('encoder')"])
        frame, self._entered = the_frame("name_scope"), False
        self._around: AbstractContextManager[None] | None = None
        with ExitStack() as stack:
            for part in [name] if isinstance(name, ForcedName) else name.split("/"):
                module = NameScopeModule(name=part)
                stack.enter_context(frame.within(Scope(module.module_name, method_name, module)))
                self._around = frame.within(Scope(module.module_name, method_name, module))

    def __enter__(self) -> None:
        if self._around is None:
            raise ValueError("name_scope is not reusable")
        if self._entered:
            raise ValueError("name_scope is not reentrant")
        self._entered = True
        self._around.__enter__()

    def __exit__(self, *error: Any) -> bool | None:
        around, self._around, self._entered = self._around, None, False
        return around.__exit__(*error) if around is not None else None


def name_scope(name: str, *, method_name: str = "__call__") -> AbstractContextManager[None]:
    """A context that puts a name before those of all modules, parameters and states inside.

    Args:
      name: one or more parts with `/` between them, each made unique where it stands.
      method_name: names inside are as if this method built them.

    Raises:
      PathSyntaxError: `name` is empty or starts with `/`.

    >>> import jax, jax.numpy as jnp, tenure.haiku as hk
    >>> def f(x):
    ...     with hk.name_scope("encoder"):
    ...         return hk.Linear(1, name="a")(x)
    >>> list(hk.transform(f).init(jax.random.PRNGKey(0), jnp.ones((1, 1))))
    ['encoder/a']
    """
    return NameScope(name, method_name)
