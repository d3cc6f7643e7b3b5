"""Precision policies for classes of modules.

A policy, such as `jmp.Policy`, has a `param_dtype` and the functions `cast_to_compute` and `cast_to_output`. Policies
belong to a thread.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tenure.core.run import hooks
from tenure.core.run.frame import maybe_frame
from tenure.core.run.module import Module
from tenure.haiku.stacks import Stack

if TYPE_CHECKING:
    from jmp import Policy


class _ThreadState(threading.local):
    def __init__(self) -> None:
        self.policies: dict[Any, Any] = {}
        self.running: Stack[Any] = Stack()


_local = _ThreadState()


def reset_thread_local_state_for_test() -> None:
    """Forgets all policies of this thread."""
    _local.policies, _local.running = {}, Stack()
    hooks.set_outermost(None)


def _key(cls: type[Module]) -> Any:
    """What stands for a class: its name, so that a class that is defined anew has its policy too."""
    return cls if "<locals>" in cls.__qualname__ else (cls.__module__, cls.__qualname__)


def current_policy() -> Policy | None:
    """The policy of the module that is running, or None."""
    return _local.running.peek() if _local.running else None


def get_policy(cls: type[Module]) -> Policy | None:
    """The policy of a class, or None."""
    return _local.policies.get(_key(cls))


def set_policy(cls: type[Module], policy: Policy) -> None:
    """Uses a policy for all instances of a class.

    >>> import jax, jmp, jax.numpy as jnp, tenure.haiku as hk
    >>> hk.mixed_precision.set_policy(hk.Linear, jmp.get_policy("params=float32,compute=bfloat16,output=float32"))
    >>> f = hk.transform(lambda x: hk.Linear(2)(x))
    >>> params = f.init(jax.random.PRNGKey(0), jnp.ones((1, 3)))
    >>> params["linear"]["w"].dtype, f.apply(params, None, jnp.ones((1, 3))).dtype
    (dtype('float32'), dtype('float32'))
    >>> hk.mixed_precision.clear_policy(hk.Linear)
    """
    if policy is None:
        raise AssertionError("To unset policies use clear_policy.")
    _local.policies[_key(cls)] = policy
    hooks.set_outermost(_interceptor)


def clear_policy(cls: type[Module]) -> None:
    """Removes the policy of a class, if it has one."""
    _local.policies.pop(_key(cls), None)
    if not _local.policies:
        hooks.set_outermost(None)


@contextlib.contextmanager
def push_policy(cls: type[Module], policy: Policy) -> Iterator[None]:
    """Within, uses a policy for all instances of a class.

    Raises:
      ValueError: a method of that class is running.
    """
    if policy is None:
        raise AssertionError("To unset policies use clear_policy.")
    frame = maybe_frame()
    running = None if frame is None else frame.scope.module
    if running is not None and _key(type(running)) == _key(cls):
        raise ValueError("Pushing a policy inside a method on the same class is not supported.")
    before = get_policy(cls)
    set_policy(cls, policy)
    try:
        yield
    finally:
        if before is None:
            clear_policy(cls)
        else:
            set_policy(cls, before)


def _creator(next_creator: Any, shape: Any, dtype: Any, init: Any, context: Any) -> Any:
    return next_creator(shape, _local.running.peek().param_dtype, init)


def _getter(next_getter: Any, value: Any, context: Any) -> Any:
    return next_getter(_local.running.peek().cast_to_compute(value))


def _interceptor(next_f: Any, args: Any, kwargs: Any, context: hooks.MethodContext) -> Any:
    policy = get_policy(type(context.module))
    if policy is None:
        return next_f(*args, **kwargs)
    with contextlib.ExitStack() as stack:
        if not _local.running:
            stack.enter_context(hooks.custom_creator(_creator))
            stack.enter_context(hooks.custom_getter(_getter, state=True))
        stack.enter_context(_local.running(policy))
        args, kwargs = policy.cast_to_compute((args, kwargs))
        return policy.cast_to_output(next_f(*args, **kwargs))


__all__ = ["clear_policy", "current_policy", "get_policy", "push_policy", "set_policy"]
