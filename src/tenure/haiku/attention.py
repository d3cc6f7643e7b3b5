"""Attention with the arguments that Haiku has."""

from __future__ import annotations

from tenure.initializers import Initializer
from tenure.nn import attention


class MultiHeadAttention(attention.MultiHeadAttention):
    """`tenure.nn.MultiHeadAttention`, less what only Tenure has: grouped heads, rotary positions, fused kernels.

    >>> import jax, jax.numpy as jnp, tenure.haiku as hk
    >>> init = hk.initializers.VarianceScaling()
    >>> f = hk.transform(lambda x: hk.MultiHeadAttention(4, 8, w_init=init)(x, x, x))
    >>> f.apply(f.init(jax.random.PRNGKey(0), jnp.ones((2, 5, 32))), None, jnp.ones((2, 5, 32))).shape
    (2, 5, 32)
    """

    def __init__(
        self,
        num_heads: int,
        key_size: int,
        w_init_scale: float | None = None,
        *,
        w_init: Initializer | None = None,
        with_bias: bool = True,
        b_init: Initializer | None = None,
        value_size: int | None = None,
        model_size: int | None = None,
        name: str | None = None,
    ):
        """Describes the attention; see `tenure.nn.MultiHeadAttention`."""
        super().__init__(
            num_heads,
            key_size,
            w_init_scale,
            w_init=w_init,
            with_bias=with_bias,
            b_init=b_init,
            value_size=value_size,
            model_size=model_size,
            name=name,
        )
