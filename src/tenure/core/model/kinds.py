"""What a model is to the outside: `init`, `apply` and `plan`; and what can be made of every kind of model.

`evaluation` and `without_apply_rng` wrap these functions, whoever made them, so that they can be nested in any order. A
model of another kind than `Transformed` (a network, say) has methods of these names instead.
"""

from __future__ import annotations

import contextlib
import contextvars
import inspect
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple

import jax

from tenure.core.errors import TenureError, brief
from tenure.core.slots.plan import Plan

_evaluating: contextvars.ContextVar[bool] = contextvars.ContextVar("tenure_evaluating", default=False)


class _Pair(NamedTuple):
    init: Callable[..., Any]
    apply: Callable[..., Any]


class _Model(_Pair):
    """A pair of functions with the model's `plan`."""

    stateful: ClassVar[bool]
    plan: Callable[..., Plan]

    def __new__(cls, init: Callable[..., Any], apply: Callable[..., Any]) -> Any:
        self = _Pair.__new__(cls, init, apply)
        self.plan = getattr(init, "plan", _no_plan)
        return self

    def __reduce__(self) -> Any:
        return type(self), tuple(self)


class Transformed(_Model):
    """`init(rng, *args) -> params` and `apply(params, rng, *args) -> out`: what `tn.transform` makes.

    Attributes:
      plan: `plan(*args) -> Plan`: the model for inputs of these shapes, checked, with nothing allocated.

    >>> import jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda x: tn.nn.Linear(3)(x))
    >>> isinstance(model, tn.Transformed), model.plan(jnp.ones((1, 2))).out.shape
    (True, (1, 3))
    """

    stateful = False


class TransformedWithState(_Model):
    """`init(rng, *args) -> (params, state)` and `apply(params, state, rng, *args) -> (out, state)`.

    Attributes:
      plan: `plan(*args) -> Plan`: the model for inputs of these shapes, checked, with nothing allocated.

    >>> import tenure as tn
    >>> isinstance(tn.transform_with_state(lambda x: x), tn.TransformedWithState)
    True
    """

    stateful = True


def _no_plan(*args: Any, **kwargs: Any) -> Plan:
    raise TenureError(
        "this pair of functions was not made by tn.transform, so there is no plan of it",
        ways=["model = tn.transform(f); model.plan(…)"],
    )


class Pure:
    """A pure function of a model: `run(model, *args)`, with the model filled in.

    Attributes:
      run: a function of a module.
      model: what it runs.
    """

    def __init__(self, run: Callable[..., Any], model: Any):
        """Fills in the model.

        Args:
          run: a function of a module, which another process can find.
          model: its first argument.
        """
        self.run, self.model = run, model
        self.__name__ = self.__qualname__ = run.__name__.strip("_")
        self.__doc__ = run.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(self.model, *args, **kwargs)

    @property
    def plan(self) -> Callable[..., Any]:
        """The model's `plan`."""
        return self.model.plan

    @property
    def __signature__(self) -> inspect.Signature:
        signature = inspect.signature(self.run)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    def __reduce__(self) -> Any:
        return type(self), (self.run, self.model)

    def __repr__(self) -> str:
        return f"<{self.__name__} of {brief(getattr(self.model, 'function', self.model))}>"


class Wrapped:
    """A model's function, called in another way; all else about it stays as it is.

    Attributes:
      function: the model's.
    """

    def __init__(self, function: Callable[..., Any]):
        self.function = function

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "function":
            raise AttributeError(name)
        return getattr(self.function, name)

    def __reduce__(self) -> Any:
        return type(self), (self.function,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.function!r})"


class InEvaluation(Wrapped):
    """A model's function, in evaluation."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with evaluating():
            return self.function(*args, **kwargs)

    @property
    def plan(self) -> Any:
        """The model's `plan`, in evaluation too."""
        return InEvaluation(self.function.plan)  # type: ignore[attr-defined]

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.function)


class WithoutKey(Wrapped):
    """A model's `apply`, which takes no key."""

    takes_no_key: ClassVar[bool] = True
    leading: ClassVar[int] = 1  # arguments before the key

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args[: self.leading], None, *args[self.leading :], **kwargs)


class WithStateWithoutKey(WithoutKey):
    """A model's `apply` with state, which takes no key."""

    leading = 2


def in_evaluation() -> bool:
    """Whether the model that is called is to be evaluated, by `tn.evaluation`."""
    return _evaluating.get()


@contextlib.contextmanager
def evaluating() -> Iterator[None]:
    """Within, models that are called are in evaluation."""
    token = _evaluating.set(True)
    try:
        yield
    finally:
        _evaluating.reset(token)


def evaluation(model: Any) -> Any:
    """The same model for evaluation: noise and dropout are the identity, running averages stand still.

    Args:
      model: of any kind: what `tn.transform`, `tn.transform_with_state`, `tn.network` or one of `tenure.haiku`'s returned,
        or what `tn.evaluation` and `tn.without_apply_rng` made of it.

    Returns:
      A model of that kind.

    Raises:
      TenureError: it is no model.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> from tenure import nn
    >>> model = tn.transform(lambda x: nn.Linear(3)(x), stages={"**/w": [tn.stages.Noise(0.1)]})
    >>> params = model.init(jax.random.key(0), jnp.ones((2, 4)))
    >>> tn.evaluation(model).apply(params, None, jnp.ones((2, 4))).shape
    (2, 3)
    """
    if callable(getattr(model, "evaluation", None)):
        return model.evaluation()
    _check(model, "evaluation")
    return type(model)(InEvaluation(model.init), _each(InEvaluation, model.apply))


def without_apply_rng(model: Any) -> Any:
    """The same model with an `apply` that takes no `rng`: for models that draw no keys.

    Args:
      model: of any kind; see `evaluation`.

    Returns:
      A model of that kind, with `apply(params, *args)`, or `apply(params, state, *args)`.

    Raises:
      TenureError: it is no model.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> from tenure import nn
    >>> model = tn.without_apply_rng(tn.transform(lambda x: nn.Linear(3)(x)))
    >>> model.apply(model.init(0, jnp.ones((2, 4))), jnp.ones((2, 4))).shape
    (2, 3)
    """
    if callable(getattr(model, "without_apply_rng", None)):
        return model.without_apply_rng()
    _check(model, "without_apply_rng")
    wrapper = WithStateWithoutKey if model.stateful else WithoutKey

    def without(apply: Callable[..., Any]) -> Callable[..., Any]:
        return apply if getattr(apply, "takes_no_key", False) else wrapper(apply)

    return type(model)(model.init, _each(without, model.apply))


def _each(wrap: Callable[..., Any], apply: Any) -> Any:
    """`apply`, or each one of a tree of them, wrapped."""
    return wrap(apply) if callable(apply) else jax.tree.map(wrap, apply)


def _check(model: Any, what: str) -> None:
    if not (isinstance(model, tuple) and hasattr(model, "stateful") and hasattr(model, "init")):
        raise TenureError(
            f"tn.{what} takes a model, not {brief(model)}",
            ways=[f"tn.{what}(tn.transform(f)), or what tn.network or tenure.haiku's transform returned"],
        )
