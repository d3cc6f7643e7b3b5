"""What disturbs a weight in training, and leaves it alone in evaluation."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from tenure.core.notation.stage import STOCHASTIC, Part, Run, Spec, Stage, define, flag
from tenure.stages._common import floating, not_negative, positive, probability


class _Stochastic(Stage):
    """Its way back is the identity: what is stored is the weight."""

    kind = STOCHASTIC

    def stored(self, spec: Spec):
        floating(spec)
        return spec

    def assign(self, value, parts):
        return value, parts


@define
class Noise(_Stochastic):
    """Gaussian noise on the weight: `w + std · ε`.

    Args:
      std: its standard deviation.
      relative: `std` counts in units of the weight's root mean square.

    Source: Graves, "Practical Variational Inference for Neural Networks", 2011, with a fixed variance; Graves et al.,
    "Speech Recognition with Deep Recurrent Neural Networks", 2013, section 4.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (1000,), init=jnp.zeros, stages=[tn.stages.Noise(0.1)]))
    >>> noisy, plain = model.apply(model.init(None), jax.random.key(0)), tn.evaluation(model).apply(model.init(None), None)
    >>> f"{noisy.std():.2f} {plain.std():.2f}"
    '0.10 0.00'
    """

    name = "noise"
    signature = {"std": not_negative, "relative": flag}
    defaults = {"relative": False}

    def forward(self, value, parts, run: Run):
        noise = self.arguments["std"] * jax.random.normal(run.draw(), value.shape, value.dtype)
        if self.arguments["relative"]:
            noise = noise * jnp.sqrt(jnp.mean(jnp.square(value)))
        return value + noise


@define
class Dropout(_Stochastic):
    """DropConnect: each element of the weight is zero with probability `rate`, the others are divided by `1 - rate`.

    Leaves parameters with one axis, such as biases, alone unless `min_ndim` says otherwise.

    Source: Wan et al., "Regularization of Neural Networks using DropConnect", 2013; on recurrent weights Merity et al.,
    "Regularizing and Optimizing LSTM Language Models", 2017, section 2.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (2, 3), init=jnp.ones, stages=[tn.stages.Dropout(0.5)]))
    >>> sorted(set(model.apply(model.init(None), jax.random.key(0)).ravel().tolist()))
    [0.0, 2.0]
    """

    name = "dropout"
    signature = {"rate": probability}
    least_axes = 2

    def forward(self, value, parts, run: Run):
        rate = self.arguments["rate"]
        if rate == 0:
            return value
        keep = jax.random.bernoulli(run.draw(), 1 - rate, value.shape)
        return jnp.where(keep, value / (1 - rate), 0)


@define
class Variational(_Stochastic):
    """A normal distribution over each element of the weight: `w + exp(log_std) · ε`, with a learned variance.

    Keeps the leaf `log_std`, of the weight's shape. Its penalty is the divergence from a normal prior of standard deviation
    `prior`, KL(N(w, std²) | N(0, prior²)), summed over the elements, times `scale` (one over the number of training
    examples, for a loss that is a mean over examples).

    Source: Graves, "Practical Variational Inference for Neural Networks", 2011, section 4.2; Blundell et al., "Weight
    Uncertainty in Neural Networks", 2015.

    >>> import tenure as tn
    >>> tn.stages.Variational(0.1), sorted(tn.stages.Variational(0.1).parts(tn.stages.Spec((4, 3), "float32")))
    (variational(0.1), ['log_std'])
    """

    name = "variational"
    signature = {"std": positive, "prior": positive, "scale": not_negative}
    defaults = {"std": 0.01, "prior": 1.0, "scale": 1.0}

    def parts(self, spec: Spec):
        floating(spec)
        return {"log_std": Part(spec.shape, spec.dtype)}

    def begin(self, value, draw):
        return value, {"log_std": jnp.full(value.shape, math.log(self.arguments["std"]), value.dtype)}

    def forward(self, value, parts, run: Run):
        return value + jnp.exp(parts["log_std"]) * jax.random.normal(run.draw(), value.shape, value.dtype)

    def penalty(self, weight, parts):
        prior, log_std = self.arguments["prior"], parts["log_std"]
        ratio = jnp.exp(2 * log_std) + jnp.square(weight)
        divergence = jnp.sum(math.log(prior) - log_std + ratio / (2 * prior**2) - 0.5)
        return self.arguments["scale"] * divergence
