"""The LSTM with the arguments that Haiku has."""

from __future__ import annotations

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
