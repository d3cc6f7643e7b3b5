"""Terms of the loss that belong to a parameter: counted once, whoever uses it."""

from __future__ import annotations

import jax.numpy as jnp

from tenure.core.notation import converters
from tenure.core.notation.stage import PENALTY, Misfit, Run, Spec, Stage, define
from tenure.stages._common import axis_of, count, floating, not_negative


class _Penalty(Stage):
    """Leaves the value as it is."""

    kind = PENALTY

    def stored(self, spec: Spec):
        floating(spec)
        return spec

    def forward(self, value, parts, run: Run):
        return value

    def assign(self, value, parts):
        return value, parts


@define
class L2(_Penalty):
    """`scale · Σ w²`: the sum, not its half, of all elements, as RETURNN's option `L2`.

    >>> import jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (3,), init=jnp.ones, stages=[tn.stages.L2(0.5)]))
    >>> tn.penalty(model.plan(), {"~": {"w": 2 * jnp.ones(3)}})
    Array(6., dtype=float32)
    """

    name = "l2"
    signature = {"scale": not_negative}

    def penalty(self, weight, parts):
        return self.arguments["scale"] * jnp.sum(jnp.square(weight))


@define
class L1(_Penalty):
    """`scale · Σ |w|`.

    >>> import jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (3,), init=jnp.ones, stages=[tn.stages.L1(0.5)]))
    >>> tn.penalty(model.plan(), {"~": {"w": -2 * jnp.ones(3)}})
    Array(3., dtype=float32)
    """

    name = "l1"
    signature = {"scale": not_negative}

    def penalty(self, weight, parts):
        return self.arguments["scale"] * jnp.sum(jnp.abs(weight))


@define
class Tikhonov(_Penalty):
    """`scale · |Γ w|²`, where Γ takes differences of neighbours along `axis`, `order` times: smooth filters.

    Source: Tikhonov and Arsenin, "Solutions of Ill-Posed Problems", 1977, chapter 2; order 0 is `l2`.

    >>> import jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (3,), init=jnp.ones, stages=[tn.stages.Tikhonov(1.0)]))
    >>> tn.penalty(model.plan(), {"~": {"w": jnp.array([0.0, 1.0, 3.0])}})
    Array(5., dtype=float32)
    """

    name = "tikhonov"
    signature = {"scale": not_negative, "order": lambda v: v if v == 0 else count(v), "axis": converters.integer}
    defaults = {"order": 1, "axis": 0}

    def stored(self, spec: Spec):
        floating(spec, 1)
        size = spec.shape[axis_of(self.arguments["axis"], spec)]
        if size <= self.arguments["order"]:
            raise Misfit(
                f"differences of order {self.arguments['order']} need more than {size} elements along the axis"
            )
        return spec

    def penalty(self, weight, parts):
        rough = jnp.diff(weight, self.arguments["order"], self.arguments["axis"])
        return self.arguments["scale"] * jnp.sum(jnp.square(rough))
