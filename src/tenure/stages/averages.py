"""Running averages of weights."""

from __future__ import annotations

import jax

from tenure.core.notation.stage import Part, Run, Spec, Stage, define
from tenure.stages._common import floating, probability


@define
class EMA(Stage):
    """An exponential moving average of the weight: training uses the weight, evaluation its average.

    Keeps the state `average`, of the weight's shape, which starts at the weight's first value: transform with state.
    After each step of training it is `decay · average + (1 - decay) · weight`, with the weight that the step used.

    Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992; in this form Tarvainen
    and Valpola, "Mean teachers are better role models", 2017, equation 1.

    >>> import jax.numpy as jnp, tenure as tn
    >>> model = tn.transform_with_state(lambda: tn.get_parameter("w", (), init=jnp.ones, stages=["ema(0.5)"]))
    >>> params, state = model.init(None)
    >>> _, state = model.apply({"~": {"w": jnp.float32(3)}}, state, None)
    >>> state["~"]["w.ema.average"]
    Array(2., dtype=float32)
    """

    name = "ema"
    signature = {"decay": probability}
    defaults = {"decay": 0.999}

    def parts(self, spec: Spec):
        floating(spec)
        return {"average": Part(spec.shape, spec.dtype, "state")}

    def begin(self, value, draw):
        return value, {"average": value}

    def forward(self, value, parts, run: Run):
        if not run.training:
            return parts["average"]
        decay = self.arguments["decay"]
        run.updates["average"] = decay * parts["average"] + (1 - decay) * jax.lax.stop_gradient(value)
        return value

    def assign(self, value, parts):
        return value, {"average": value}
