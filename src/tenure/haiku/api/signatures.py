"""Signatures of `init` and `apply`: those of the user's function, with what Haiku adds in front."""

from __future__ import annotations

import inspect
from typing import Any, Optional, Union

import jax

from tenure.haiku.typing import Params, State

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _leading(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)


# The annotations are spelled as Haiku spells them, since they are compared as objects.
PARAMS = _leading("params", Optional[Params])  # noqa: UP045
STATE = _leading("state", Optional[State])  # noqa: UP045
RNG = _leading("rng", Optional[Union[jax.Array, int]])  # noqa: UP007, UP045


def made(parameters: list[inspect.Parameter], returns: Any) -> inspect.Signature:
    """A signature; a user's function may have parameters named as those that Haiku adds."""
    return inspect.Signature(parameters, return_annotation=returns, __validate_parameters__=False)


def of_init(function: inspect.Signature) -> inspect.Signature:
    """The signature of the `init` of a function with that signature."""
    return made([RNG, *function.parameters.values()], tuple[Params, State])


def of_apply(function: inspect.Signature) -> inspect.Signature:
    """The signature of the `apply` of a function with that signature."""
    parameters = [PARAMS, STATE, RNG, *function.parameters.values()]
    return with_state(made(parameters, function.return_annotation))


def replace_leading(function: Any, count: int, new: list[inspect.Parameter]) -> inspect.Signature:
    """The function's signature with other parameters in place of the first `count` positional ones.

    Args:
      function: anything with a signature.
      count: how many go.
      new: what stands there instead.
    """
    signature = inspect.signature(function)
    old = list(signature.parameters.values())
    positional = 0
    while positional < min(count, len(old)) and old[positional].kind in _POSITIONAL:
        positional += 1
    return made(new + old[positional:], signature.return_annotation)


def with_state(signature: inspect.Signature) -> inspect.Signature:
    """The signature of a function that also returns state."""
    returns: Any = signature.return_annotation
    returns = Any if returns is inspect.Parameter.empty else returns
    return made(list(signature.parameters.values()), tuple.__class_getitem__((returns, State)))


def without_state(signature: inspect.Signature) -> inspect.Signature:
    """The signature of a function that no longer returns state."""
    returns: Any = signature.return_annotation
    arguments: tuple[Any, ...] = getattr(returns, "__args__", ())
    pair = getattr(returns, "__origin__", None) is tuple and len(arguments) == 2
    return made(list(signature.parameters.values()), arguments[0] if pair else Any)
