"""Norms of weights: the size of a weight apart from its direction."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from tenure.core.notation import converters
from tenure.core.notation.stage import Irreversible, Part, Run, Spec, Stage, define
from tenure.functional import standardised
from tenure.stages._common import all_but, axis_of, count, floating, matrix, positive


def _norm(value: jax.Array, axis: int, eps: float) -> jax.Array:
    """The Euclidean norm of each slice along `axis`."""
    squares = jnp.sum(jnp.square(value), axis=all_but(axis, value.ndim))
    return jnp.sqrt(squares + eps)


def _along(scale: jax.Array, axis: int, ndim: int) -> jax.Array:
    """One number for each slice of an axis, to be multiplied with the whole."""
    return scale.reshape([-1 if i == axis % ndim else 1 for i in range(ndim)])


@define
class WeightNorm(Stage):
    """`scale · v / |v|`, one scale for each slice of `axis`: direction and size are learned apart.

    Keeps the leaf `scale` (size of `axis`,). What is stored is v, of the weight's shape. At first `scale` is the norm of what
    the initialiser made, so that the weight is what it would be without.

    Source: Salimans and Kingma, "Weight Normalization", 2016, equation 2.

    >>> WeightNorm(axis=-1)
    weight_norm
    """

    name = "weight_norm"
    signature = {"axis": converters.integer, "eps": converters.number}
    defaults = {"axis": -1, "eps": 1e-12}

    def parts(self, spec: Spec):
        floating(spec, 1)
        return {"scale": Part((spec.shape[axis_of(self.arguments["axis"], spec)],), spec.dtype)}

    def forward(self, value, parts, run: Run):
        axis, eps = self.arguments["axis"], self.arguments["eps"]
        return value * _along(parts["scale"] / _norm(value, axis, eps), axis, value.ndim)

    def begin(self, value, draw):
        return self.assign(value, {})

    def assign(self, value, parts):
        return value, {"scale": _norm(value, self.arguments["axis"], self.arguments["eps"])}


@define
class Standardise(Stage):
    """Zero mean and unit variance over all axes but `axis`: the weight standardisation of convolutions.

    Has no way back: mean and size are lost.

    Source: Qiao et al., "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization", 2019.

    >>> import jax.numpy as jnp, tenure as tn
    >>> init = lambda shape, dtype: jnp.array([[1.0], [3.0]])
    >>> model = tn.transform(lambda: tn.get_parameter("w", (2, 1), init=init, stages=["standardise"]))
    >>> model.apply(model.init(None), None).round(2)
    Array([[-1.],
           [ 1.]], dtype=float32)
    """

    name = "standardise"
    signature = {"axis": converters.integer, "eps": positive}
    defaults = {"axis": -1, "eps": 1e-5}
    least_axes = 2

    def stored(self, spec: Spec):
        floating(spec, 2)
        axis_of(self.arguments["axis"], spec)
        return spec

    def forward(self, value, parts, run: Run):
        axes = all_but(self.arguments["axis"], value.ndim)
        return standardised(value, axes, self.arguments["eps"])

    def assign(self, value, parts):
        raise Irreversible("'standardise' loses the mean and the size of what is stored")


@define
class SpectralNorm(Stage):
    """The weight divided by its largest singular value, found by power iteration: a Lipschitz constant of one.

    Keeps the state `u` (columns,): transform with state. Each step of training improves it by `n_steps` iterations; in
    evaluation it stands still. All axes but the last count as rows. Has no way back: the size is lost.

    Source: Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018, algorithm 1.

    >>> import tenure as tn
    >>> tn.stages.SpectralNorm(n_steps=2), sorted(tn.stages.SpectralNorm().parts(tn.stages.Spec((4, 3), "float32")))
    (spectral_norm(2), ['u'])
    """

    name = "spectral_norm"
    signature = {"n_steps": count, "eps": positive}
    defaults = {"n_steps": 1, "eps": 1e-12}
    least_axes = 2

    def parts(self, spec: Spec):
        floating(spec, 2)
        return {"u": Part((spec.shape[-1],), spec.dtype, "state")}

    def begin(self, value, draw):
        u = jax.random.normal(draw("u"), value.shape[-1:], value.dtype)
        return value, {"u": u / jnp.linalg.norm(u)}

    def forward(self, value, parts, run: Run):
        w, u, eps = matrix(value), parts["u"], self.arguments["eps"]
        still = jax.lax.stop_gradient(w)

        def unit(x: jax.Array) -> jax.Array:
            return x * jax.lax.rsqrt(jnp.sum(jnp.square(x)) + eps)

        v = unit(still @ u)
        for _ in range(self.arguments["n_steps"] if run.training else 0):
            u = unit(v @ still)
            v = unit(still @ u)
        if run.training:
            run.updates["u"] = u
        return value / (v @ w @ u)

    def assign(self, value, parts):
        raise Irreversible("'spectral_norm' loses the size of what is stored")
