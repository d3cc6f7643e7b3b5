"""Recurrent cores with the arguments that Haiku has."""

from __future__ import annotations

from tenure.initializers import Initializer
from tenure.nn import recurrent


class LSTM(recurrent.LSTM):
    """`tenure.nn.LSTM`, less what only Tenure has: another constant on the forget gate.

    >>> import jax, jax.numpy as jnp, tenure.haiku as hk
    >>> f = hk.transform(lambda x: hk.LSTM(3)(x, hk.LSTM(3).initial_state(2))[0])
    >>> f.apply(f.init(jax.random.PRNGKey(0), jnp.ones((2, 4))), None, jnp.ones((2, 4))).shape
    (2, 3)
    """

    def __init__(self, hidden_size: int, name: str | None = None):
        """Describes a core with so many cells."""
        super().__init__(hidden_size, name)


class GRU(recurrent.GRU):
    """`tenure.nn.GRU`, less what only Tenure has: the reset gate after the matrix.

    >>> import jax, jax.numpy as jnp, tenure.haiku as hk
    >>> f = hk.transform(lambda x: hk.GRU(3)(x, jnp.zeros((2, 3)))[0])
    >>> f.apply(f.init(jax.random.PRNGKey(0), jnp.ones((2, 4))), None, jnp.ones((2, 4))).shape
    (2, 3)
    """

    def __init__(
        self,
        hidden_size: int,
        w_i_init: Initializer | None = None,
        w_h_init: Initializer | None = None,
        b_init: Initializer | None = None,
        name: str | None = None,
    ):
        """Describes a core with so many units; see `tenure.nn.GRU`."""
        super().__init__(hidden_size, w_i_init, w_h_init, b_init, name)
