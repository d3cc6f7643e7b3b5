"""The part of a traced function that some of its results depend on, run operation by operation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Literal

Bundles = dict[str, dict[str, Any]]
_PLACEHOLDER = "empty"  # the primitive behind `core.run.frame.placeholder`


class Sliced(NamedTuple):
    """A function from arrays to nested dicts, less the operations that the dicts do not depend on.

    The operations are those of the function run by itself, one after the other, so that their results are the same to
    the last bit.
    """

    jaxpr: Any
    consts: Sequence[Any]
    traced: Sequence[Any]
    deferred: Sequence[Any]
    rebuild: Callable[[list[Any]], tuple[Bundles, ...]]

    @classmethod
    def of(cls, function: Callable[..., tuple[Bundles, ...]], specs: Sequence[Any]) -> Sliced:
        """Traces `function`, whose results are nested dicts of trees, for arrays like `specs`."""
        shape: list[Any] = []

        def flat(*arrays: Any) -> list[Any]:
            entries, traced = [], []
            for part in function(*arrays):
                entries.append({(m, n): jax.tree.flatten(v) for m, b in part.items() for n, v in b.items()})
                shape.append((entries[-1], list(part)))
            for entry in entries:
                for leaves, _ in entry.values():
                    for i, leaf in enumerate(leaves):
                        if isinstance(leaf, jax.core.Tracer):
                            traced.append(leaf)
                            leaves[i] = _Slot
            return traced

        closed: ClosedJaxpr = jax.make_jaxpr(flat)(*specs)
        if any(isinstance(const, jax.core.Tracer) for const in closed.consts):
            raise RuntimeError("a value of an inner trace was used outside of it")
        jaxpr = closed.jaxpr.replace(eqns=_live(closed.jaxpr))
        left = [x for entries, _ in shape for leaves, _ in entries.values() for x in leaves if x is not _Slot]
        return cls(jaxpr, closed.consts, closed.jaxpr.eqns, left, functools.partial(_rebuild, shape))

    @property
    def uses_stand_ins(self) -> bool:
        """Whether a result depends on a stand-in for a value that is not known yet."""
        return any(e.primitive.name == _PLACEHOLDER for e in self.jaxpr.eqns)

    @property
    def leaves_little_out(self) -> bool:
        """Whether most of what was traced has to be computed."""
        return 2 * len(self.jaxpr.eqns) > len(self.traced)

    def with_inputs(self, count: int) -> Sliced:
        """The function with its stand-ins as further inputs, in the order in which they were made."""
        empty = [e for e in self.traced if e.primitive.name == _PLACEHOLDER]
        if len(empty) != count:
            raise RuntimeError("a stand-in was made inside of another function")
        eqns = [e for e in self.jaxpr.eqns if e.primitive.name != _PLACEHOLDER]
        invars = [*self.jaxpr.invars, *(e.outvars[0] for e in empty)]
        return self._replace(
            jaxpr=self.jaxpr.replace(invars=invars, eqns=eqns, debug_info=_no_names(self.jaxpr, invars))
        )

    def __call__(self, arrays: Sequence[Any], stand_ins: Sequence[Any]) -> tuple[Bundles, ...]:
        values = jax.core.eval_jaxpr(self.jaxpr, self.consts, *arrays, *stand_ins, propagate_source_info=False)
        outs = zip(self.jaxpr.outvars, values, strict=True)
        return self.rebuild([x if isinstance(x, jax.Array) else jnp.asarray(x, v.aval.dtype) for v, x in outs])


def _no_names(jaxpr: Any, invars: Sequence[Any]) -> Any:
    """JAX's notes on the function, which name as many arguments as there are."""
    info = jaxpr.debug_info
    names = getattr(info, "arg_names", None)
    return info if names is None else info._replace(arg_names=("",) * len(invars))


class _Slot:
    """Where a traced leaf goes."""


def _live(jaxpr: Any) -> list[Any]:
    """The equations that the results depend on, and those that have effects."""
    needed = {v for v in jaxpr.outvars if not isinstance(v, Literal)}
    found = []
    for equation in reversed(jaxpr.eqns):
        if equation.effects or any(v in needed for v in equation.outvars):
            found.append(equation)
            needed.update(v for v in equation.invars if not isinstance(v, Literal))
    return found[::-1]


def _rebuild(shape: Any, values: list[Any]) -> tuple[Bundles, ...]:
    left = iter(values)
    parts = []
    for entries, modules in shape:
        part: Bundles = {m: {} for m in modules}
        for (module, name), (leaves, tree) in entries.items():
            part[module][name] = jax.tree.unflatten(tree, [next(left) if x is _Slot else x for x in leaves])
        parts.append(part)
    return tuple(parts)
