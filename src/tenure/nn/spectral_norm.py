"""Spectral normalisation: a matrix divided by its largest singular value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from tenure.core.run.module import Module, Share, Stages
from tenure.core.run.state import get_state, set_state
from tenure.initializers import RandomNormal


def _unit(x: jax.Array, eps: float) -> jax.Array:
    """`x` with norm 1; `eps` keeps tiny ones finite."""
    return x * lax.rsqrt(jnp.square(x).sum(keepdims=True) + eps)


class SpectralNorm(Module):
    """Divides a matrix by its largest singular value, which power iteration follows from call to call.

    Source: Miyato et al. 2018, https://arxiv.org/abs/1802.05957.

    Keeps the states `u0` [1, outputs], the singular vector, and `sigma` [], the value.

    >>> import tenure as tn
    >>> model = tn.transform_with_state(lambda w: SpectralNorm()(w))
    >>> params, state = model.init(jax.random.key(0), jnp.eye(3) * 2)
    >>> model.apply(params, state, None, jnp.eye(3) * 2)[0].round(3)[0, 0].item()
    1.0
    """

    def __init__(
        self,
        eps: float = 1e-4,
        n_steps: int = 1,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the iteration.

        Args:
          eps: keeps norms away from zero.
          n_steps: how many steps each call takes.
          name: of the module.
        """
        super().__init__(name=name)
        self.eps = eps
        self.n_steps = n_steps

    def __call__(self, value: Any, update_stats: bool = True, error_on_non_matrix: bool = False) -> jax.Array:
        """The value, divided.

        Args:
          value: [..., inputs, outputs]; all axes but the last are taken as one.
          update_stats: whether to keep what the iteration found.
          error_on_non_matrix: whether more than two axes are an error.

        Raises:
          ValueError: a scalar or a vector, or too many axes.
        """
        value = jnp.asarray(value)
        shape = value.shape
        if value.ndim <= 1:
            raise ValueError("Spectral normalization is not well defined for scalar or vector inputs.")
        if value.ndim > 2:
            if error_on_non_matrix:
                raise ValueError(f"Input is {value.ndim}D but error_on_non_matrix is True")
            value = value.reshape(-1, shape[-1])
        u = get_state("u0", [1, shape[-1]], value.dtype, init=RandomNormal())
        for _ in range(self.n_steps):
            v = _unit(jnp.matmul(u, value.transpose([1, 0])), self.eps)
            u = _unit(jnp.matmul(v, value), self.eps)
        u, v = lax.stop_gradient(u), lax.stop_gradient(v)
        sigma = jnp.matmul(jnp.matmul(v, value), jnp.transpose(u))[0, 0]
        value = (value / sigma).reshape(shape)
        if update_stats:
            set_state("u0", u)
            set_state("sigma", sigma)
        return value

    @property
    def u0(self) -> jax.Array:
        """The singular vector as it is now."""
        return get_state("u0")

    @property
    def sigma(self) -> jax.Array:
        """The largest singular value as it is now."""
        return get_state("sigma", shape=(), init=jnp.ones)


class SNParamsTree(Module):
    """Spectral normalisation of all parameters in a two-level dict.

    >>> import tenure as tn
    >>> model = tn.transform_with_state(lambda params: SNParamsTree(ignore_regex="[^?!.]*b$")(params))
    >>> params = {"linear": {"w": jnp.eye(3) * 2, "b": jnp.ones(3)}}
    >>> list(model.init(jax.random.key(0), params)[1])
    ['sn_params_tree/linear__w']
    """

    def __init__(
        self,
        eps: float = 1e-4,
        n_steps: int = 1,
        ignore_regex: str = "",
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the iteration; see `SpectralNorm`.

        Args:
          eps: keeps norms away from zero.
          n_steps: how many steps each call takes.
          ignore_regex: parameters whose full name matches stay as they are; "" for none.
          name: of the module.
        """
        super().__init__(name=name)
        self.eps = eps
        self.n_steps = n_steps
        self.ignore_regex = ignore_regex

    def __call__(self, tree: Mapping[str, Mapping[str, Any]], update_stats: bool = True) -> dict[str, dict[str, Any]]:
        """The same dict with the parameters divided."""

        def normalised(path: str, value: Any) -> Any:
            if self.ignore_regex and re.match(self.ignore_regex, path):
                return value
            name = path.replace("/", "__").replace("~", "_tilde")
            return SpectralNorm(self.eps, self.n_steps, name=name)(value, update_stats=update_stats)

        return {m: {n: normalised(f"{m}/{n}", v) for n, v in bundle.items()} for m, bundle in tree.items()}
