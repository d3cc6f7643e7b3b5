"""The plans of one model: one for each combination of inputs, made once, and forgotten when the model's code changes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax

from tenure.core.model.planning import ARRAYS
from tenure.core.model.watch import Watch
from tenure.core.run import hooks
from tenure.core.slots.plan import Plan

_MOST = 64  # plans remembered per model


class Static:
    """An input that is no array, as part of a key: equal if type and value are. What has no hash is equal to itself only."""

    __slots__ = ("hash", "value")

    def __init__(self, value: Any):
        self.value = value
        try:
            self.hash = hash((type(value), value))
        except TypeError:
            self.hash = id(value)

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Static) or type(self.value) is not type(other.value) or self.hash != other.hash:
            return False
        return self.value is other.value or (self.hash != id(self.value) and bool(self.value == other.value))


class Inputs:
    """What a plan depends on.

    Attributes:
      kind: the tree of inputs, and what is no array in it.
      key: the same, with the shapes and dtypes of the arrays.
      objects: inputs that the program can change without their becoming others.
    """

    __slots__ = ("key", "kind", "objects")

    def __init__(self, args: Any, kwargs: Any):
        leaves, tree = jax.tree.flatten((args, kwargs))
        arrays = tuple([(x.shape, x.dtype) if isinstance(x, ARRAYS) else None for x in leaves])
        static = [x for x, a in zip(leaves, arrays, strict=True) if a is None]
        self.kind = tree, tuple([a is None for a in arrays]), tuple(map(Static, static))
        self.key = self.kind, arrays
        self.objects = [x for x in static if not isinstance(x, (str, bytes, int, float, complex, type(None)))]


class Plans:
    """The plans of one model so far.

    A model whose plans, for inputs of one kind, all have nothing but owners without stages is taken to share nothing for
    arrays of other shapes either: such a run reads any of these plans.
    """

    def __init__(self, function: Callable[..., Any], make: Callable[..., Plan]):
        self._function, self._make = function, make
        self._plans: dict[Any, tuple[Plan, Watch | None]] = {}
        self._plain: dict[Any, Plan | None] = {}  # kind of inputs → a plan without ties and stages, if all are
        self._watch: Watch | None = None

    def __iter__(self) -> Iterator[Plan]:
        return (plan for plan, _ in list(self._plans.values()))

    def of(self, args: Any, kwargs: Any, for_run: bool = False, **how: Any) -> Plan:
        """The plan for these inputs, or that a run with these inputs reads, made if there is none.

        Args:
          args, kwargs: the inputs.
          for_run: whether a plan for other shapes, by which nothing is shared, will do.
          **how: goes to what makes the plan.
        """
        inputs = self._inputs(args, kwargs)
        found = self._find(inputs) or (self._plain.get(inputs.kind) if for_run else None)
        if found is not None:
            return found
        with self.running(inputs):
            plan = self._make(args, kwargs, **how)
            self._keep(inputs, plan)
        return plan

    def known(self, args: Any, kwargs: Any) -> Plan | None:
        """The plan that a run with these inputs reads, if no further one is needed for that."""
        inputs = self._inputs(args, kwargs)
        return self._find(inputs) or self._plain.get(inputs.kind)

    def remember(self, args: Any, kwargs: Any, plan: Plan) -> None:
        """Keeps a plan that was made elsewhere."""
        self._keep(self._inputs(args, kwargs), plan)

    def assume_plain(self, args: Any, kwargs: Any) -> Plan:
        """For a function that cannot be planned: a run finds its parameters as they are, and shares none."""
        plan = self._plain[self._inputs(args, kwargs).kind] = Plan({}, {}, None, {})
        return plan

    @contextlib.contextmanager
    def running(self, inputs: Inputs | None = None) -> Iterator[None]:
        """Around a run of the function: what the run changes does not count as a change of the function."""
        if self._watch is None:
            self._watch = Watch([self._function, *hooks.installed()])
        try:
            yield
        finally:
            self._watch.settle()

    def _inputs(self, args: Any, kwargs: Any) -> Inputs:
        """The key of inputs; forgets all plans if the function is not what it was."""
        if self._watch is not None and self._watch.changed():
            self._plans.clear()
            self._plain.clear()
            self._watch = None
        return Inputs(args, kwargs)

    def _find(self, inputs: Inputs) -> Plan | None:
        plan, watch = self._plans.get(inputs.key, (None, None))
        if watch is not None and watch.changed():  # an object among the inputs was changed
            del self._plans[inputs.key]
            self._plain.pop(inputs.kind, None)
            return None
        return plan

    def _keep(self, inputs: Inputs, plan: Plan) -> None:
        self._plans[inputs.key] = plan, Watch(inputs.objects) if inputs.objects else None
        before = self._plain.get(inputs.kind, plan)
        self._plain[inputs.kind] = before and (plan if plan.plain else None)
        for table in (self._plans, self._plain):
            if len(table) > _MOST:
                del table[next(iter(table))]
