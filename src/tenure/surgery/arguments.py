"""What the pure functions on plans and params take: said at once where something else is handed over."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tenure.core.errors import TenureError, brief
from tenure.core.slots.plan import Plan
from tenure.core.trees import check_tree

F = TypeVar("F", bound=Callable[..., Any])


def of_plan_and_params(function: F) -> F:
    """Decorator of a function `f(plan, params, …)`: raises `TenureError` unless these are a plan and params."""

    @functools.wraps(function)
    def checked(plan: Plan, params: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        if not isinstance(plan, Plan):
            raise TenureError(
                f"tn.{function.__name__} takes a plan first, not {brief(plan, 60)}",
                ways=[f"tn.{function.__name__}(model.plan(*inputs), params, …)"],
            )
        check_tree(params, "params")
        return function(plan, params, *args, **kwargs)

    return checked  # type: ignore[return-value]
