"""Initial values: callables `(shape, dtype) -> array` that draw their keys from the transform that runs them.

An initialiser sees the shape of one parameter; inside a layer stack, the shape of one layer's. Its key comes from the
parameter's path (`tenure.core.keys`). `samples` draws what `jax.random` draws, bit for bit, in less time on CPUs.
"""

from tenure.initializers.matrices import Identity, Orthogonal
from tenure.initializers.scaling import UniformScaling, VarianceScaling, fans
from tenure.initializers.simple import Constant, Initializer, RandomNormal, RandomUniform, TruncatedNormal, typed

__all__ = [
    "Constant",
    "Identity",
    "Initializer",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "UniformScaling",
    "VarianceScaling",
    "fans",
    "typed",
]
