"""A loop's body, looked at: what of it is the same in all steps, and which products it makes with that."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core as jex

from tenure.functional.linear import PRODUCT

#: Primitives that are linear in each operand that is named here by its place.
_LINEAR = {"dot_general": (0, 1), "conv_general_dilated": (1,), "gather": (0,)}
_INLINED = ("jit", "pjit", "closed_call", "core_call")

Eqn = Any
Var = Any


@dataclasses.dataclass(frozen=True)
class Product:
    """One equation with an operand that is the same in all steps.

    Attributes:
      whole: what the equation is a part of.
      eqn: the equation.
      place: of that operand; the other one is the step's.
    """

    whole: Any
    eqn: Eqn
    place: int

    @property
    def fixed(self) -> Var:
        """The operand that is the same in all steps."""
        return self.eqn.invars[self.place]

    @property
    def other(self) -> Var:
        """The step's operand."""
        return self.eqn.invars[1 - self.place]

    def __call__(self, fixed: Any, other: Any) -> Any:
        """The result."""
        operands = (fixed, other) if self.place == 0 else (other, fixed)
        (out,) = _function(self.whole, [self.eqn], self.eqn.invars, self.eqn.outvars)(*operands)
        return out


class Body:
    """A body's equations, cut at its products.

    Args:
      body: `body(carry, x) -> (carry, y)`.
      carry: its first argument.
      x: its second; shapes are enough.
      find: which equations are cut out, `find(jaxpr, equation, what is the same in all steps)`; by default products
        where to gather their gradients pays.

    Attributes:
      consts: arrays that the body closes over.
      products: what is cut out.
      structure: of what it returns.
      carried: how many arrays are carried.
    """

    def __init__(self, body: Any, carry: Any, x: Any, find: Any = None):
        closed, shape = jax.make_jaxpr(body, return_shape=True)(carry, x)
        self.consts = list(closed.consts)
        self.structure, self.carried = jax.tree.structure(shape), len(jax.tree.leaves(shape[0]))
        avals = [v.aval for v in (*closed.jaxpr.constvars, *closed.jaxpr.invars)]
        self.flat = jax.make_jaxpr(lambda *args: _inlined(closed.jaxpr, args))(*map(_shape_of, avals))
        self.jaxpr = self.flat.jaxpr
        same = self._same()
        cut = find or _product
        self.products: list[Product] = [p for e in self.jaxpr.eqns if (p := cut(self.jaxpr, e, same)) is not None]
        self._cut(same)

    def _same(self) -> set[Var]:
        """What is the same in all steps."""
        n = len(self.consts)
        same = {*self.jaxpr.constvars, *self.jaxpr.invars[:n]}
        for eqn in self.jaxpr.eqns:
            if not eqn.effects and all(v in same for v in _variables(eqn.invars)):
                same.update(eqn.outvars)
        return same

    def _cut(self, same: set[Var]) -> None:
        """Which equations are computed before the loop, for the products' sake, and which in it, product by product."""
        made = {v: eqn for eqn in self.jaxpr.eqns for v in eqn.outvars}
        todo, before = [p.fixed for p in self.products], set()
        while todo:
            eqn = made.get(todo.pop())
            if eqn is not None and id(eqn) not in before:
                before.add(id(eqn))
                todo += _variables(eqn.invars)
        by_eqn = {id(p.eqn): p for p in self.products}
        self.before = [eqn for eqn in self.jaxpr.eqns if id(eqn) in before]
        self.pieces: list[tuple[list[Eqn], Product | None]] = [([], None)]
        for eqn in self.jaxpr.eqns:
            if id(eqn) in by_eqn:
                self.pieces[-1] = (self.pieces[-1][0], by_eqn[id(eqn)])
                self.pieces.append(([], None))
            elif id(eqn) not in before:
                self.pieces[-1][0].append(eqn)
        rest = [
            v for eqns, p in self.pieces for eqn in (*eqns, *([p.eqn] if p else [])) for v in _variables(eqn.invars)
        ]
        wanted = {*rest, *_variables(self.jaxpr.outvars)}
        self.ready = [v for eqn in self.before for v in eqn.outvars if v in wanted]

    def fixed(self, consts: Sequence[Any]) -> dict[Var, Any]:
        """What is the same in all steps, by variable.

        Args:
          consts: `self.consts`, or what is to stand for them.
        """
        names = [*self.jaxpr.constvars, *self.jaxpr.invars[: len(consts)]]
        values = dict(zip(names, [*self.flat.consts, *consts], strict=True))
        found = _function(self.jaxpr, self.before, list(values), self.ready)(*values.values())
        return values | dict(zip(self.ready, found, strict=True))

    def step(
        self, fixed: dict[Var, Any], carry: Sequence[Any], x: Sequence[Any], taps: Any = None, factors: Any = None
    ) -> Any:
        """One step.

        Args:
          fixed: what is the same in all steps.
          carry, x: the body's arguments, as flat lists.
          taps: for each product, an array of its result's shape, to which the derivative by the result goes, and whose
            value does not count.
          factors: for each product, what stands for its operand that is the same in all steps, in this product only.

        Returns:
          The results as a flat list, and the step's operands of the products.
        """
        values = dict(fixed)
        values.update(zip(self.jaxpr.invars[len(self.consts) :], [*carry, *x], strict=True))
        operands: list[Any] = []
        for i, (eqns, product) in enumerate(self.pieces):
            used = list(dict.fromkeys(v for eqn in eqns for v in _variables(eqn.invars) if v in values))
            new = [v for eqn in eqns for v in eqn.outvars if not isinstance(v, jex.DropVar)]
            values.update(zip(new, _function(self.jaxpr, eqns, used, new)(*[values[v] for v in used]), strict=True))
            if product is not None:
                operands.append(values[product.other])
                result = product(values[product.fixed] if factors is None else factors[i], operands[-1])
                values[product.eqn.outvars[0]] = result if taps is None else _tapped(result, taps[i])
        return [v.val if isinstance(v, jex.Literal) else values[v] for v in self.jaxpr.outvars], operands


@jax.custom_jvp
def _tapped(value: jax.Array, tap: jax.Array) -> jax.Array:
    """`value`, as if it were `value + tap` to derivatives."""
    return value


_tapped.defjvp(lambda primals, tangents: (primals[0], tangents[0] + tangents[1]))


def _product(whole: Any, eqn: Eqn, same: set[Var]) -> Product | None:
    """The equation as a product with an operand that is the same in all steps, if to gather its gradients pays.

    It does where the operand is larger than what is kept for it of each step.
    """
    for place in _LINEAR.get(eqn.primitive.name, ()):
        fixed, other = eqn.invars[place], eqn.invars[1 - place]
        if isinstance(fixed, jex.Literal) or isinstance(other, jex.Literal):
            continue
        if fixed in same and other not in same and jnp.issubdtype(fixed.aval.dtype, jnp.floating):
            sizes = [v.aval.shape for v in (fixed, other, eqn.outvars[0])]
            if all(isinstance(n, int) for shape in sizes for n in shape):
                large, *kept = map(math.prod, sizes)
                return Product(whole, eqn, place) if large > sum(kept) else None
    return None


def _variables(atoms: Sequence[Any]) -> list[Var]:
    return [v for v in atoms if not isinstance(v, jex.Literal)]


def _shape_of(aval: Any) -> Any:
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


def _function(whole: Any, eqns: Sequence[Eqn], inputs: Sequence[Var], outputs: Sequence[Var]) -> Any:
    """What some of the equations of a `Jaxpr` compute, as a function of arrays."""
    effects = frozenset().union(*(eqn.effects for eqn in eqns))
    parts = {"constvars": [], "invars": list(inputs), "outvars": list(outputs), "eqns": list(eqns)}
    return jex.jaxpr_as_fun(jex.ClosedJaxpr(whole.replace(**parts, effects=effects), ()))


def _inlined(jaxpr: Any, args: Sequence[Any]) -> list[Any]:
    """What a body computes, with functions that are called in it written out where they make products."""
    values = dict(zip((*jaxpr.constvars, *jaxpr.invars), args, strict=True))

    def read(v: Any) -> Any:
        return v.val if isinstance(v, jex.Literal) else values[v]

    for eqn in jaxpr.eqns:
        inner = _called(eqn)
        if inner is not None and _multiplies(inner.jaxpr):
            found = _inlined(inner.jaxpr, [*inner.consts, *map(read, eqn.invars)])
        else:
            used = list(dict.fromkeys(_variables(eqn.invars)))
            kept = [v for v in eqn.outvars if not isinstance(v, jex.DropVar)]
            values.update(zip(kept, _function(jaxpr, [eqn], used, kept)(*map(read, used)), strict=True))
            continue
        values.update((v, x) for v, x in zip(eqn.outvars, found, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _called(eqn: Eqn) -> Any:
    """The jaxpr of a function that is called and may be written out; None for all other equations."""
    if eqn.primitive.name == "custom_jvp_call" and eqn.params["call_jaxpr"].jaxpr.debug_info.func_name == PRODUCT:
        return eqn.params["call_jaxpr"]
    return eqn.params.get("jaxpr") if eqn.primitive.name in _INLINED else None


def _multiplies(jaxpr: Any) -> bool:
    return any(
        eqn.primitive.name in _LINEAR or ((inner := _called(eqn)) is not None and _multiplies(inner.jaxpr))
        for eqn in jaxpr.eqns
    )
