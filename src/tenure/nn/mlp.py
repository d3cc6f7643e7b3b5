"""The multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jax

from tenure.core.keys import as_key
from tenure.core.run.module import Module, Share, Stages
from tenure.initializers import Initializer
from tenure.nn.axis_names import with_names
from tenure.nn.dropout import dropout
from tenure.nn.linear import Linear
from tenure.nn.traced import activation_once

# A layer that is split along its outputs is followed by one that is split along its inputs: Shoeybi et al. 2019.
_NAMES = (("embed", "mlp"), ("mlp", "embed"))


class MLP(Module):
    """Linear layers `linear_0`, `linear_1`, … with an activation in between.

    >>> import jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda x: MLP([8, 3])(x))
    >>> params = model.init(jax.random.key(0), jnp.ones((2, 4)))
    >>> list(params), model.apply(params, None, jnp.ones((2, 4))).shape
    (['mlp/~/linear_0', 'mlp/~/linear_1'], (2, 3))
    """

    def __init__(
        self,
        output_sizes: Iterable[int],
        w_init: Initializer | None = None,
        b_init: Initializer | None = None,
        with_bias: bool = True,
        activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
        activate_final: bool = False,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the layers.

        Args:
          output_sizes: one for each layer.
          w_init, b_init, with_bias: for all layers; see `nn.Linear`.
          activation: between the layers.
          activate_final: whether also after the last one.
          name: of the module.

        Raises:
          ValueError: an initialiser for biases that do not exist.
        """
        if not with_bias and b_init is not None:
            raise ValueError("When with_bias=False b_init must not be set: there is nothing to initialise")
        super().__init__(name=name)
        self.w_init = w_init
        self.b_init = b_init
        self.with_bias = with_bias
        self.activation = activation
        self.activate_final = activate_final
        self.layers = tuple(
            with_names(Linear(size, with_bias, w_init, b_init, name=f"linear_{i}"), *_NAMES[i % 2])
            for i, size in enumerate(output_sizes)
        )
        self.output_size = self.layers[-1].output_size if self.layers else None

    def __call__(self, inputs: jax.Array, dropout_rate: float | None = None, rng: Any = None) -> jax.Array:
        """Maps [..., inputs] to [..., outputs].

        Args:
          inputs: the input of the first layer.
          dropout_rate: of the inputs of all activations.
          rng: a random key, for dropout.

        Raises:
          ValueError: one of `dropout_rate` and `rng` without the other.
        """
        if dropout_rate is not None and rng is None:
            raise ValueError("When using dropout an rng key must be passed: give rng with dropout_rate")
        if dropout_rate is None and rng is not None:
            raise ValueError("rng should only be passed when using dropout: give dropout_rate with it")
        x, rng = inputs, as_key(rng)
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i + 1 < len(self.layers) or self.activate_final:
                if dropout_rate is not None:
                    rng, key = jax.random.split(rng)
                    x = dropout(key, dropout_rate, x)
                x = activation_once(self.activation)(x)
        return x

    def reverse(self, activate_final: bool | None = None, name: str | None = None) -> MLP:
        """A new MLP whose layers have the sizes of this one's inputs, last to first, and parameters of its own.

        Args:
          activate_final: as for this one if None.
          name: this one's and "_reversed" if None.

        Raises:
          ValueError: this one was not called yet, so nobody knows its input's size.
        """
        sizes = [layer.input_size for layer in reversed(self.layers) if layer.input_size is not None]
        if len(sizes) < len(self.layers):
            raise ValueError("You cannot reverse an MLP until it has been called: only then its sizes are known")
        return MLP(
            sizes,
            self.w_init,
            self.b_init,
            self.with_bias,
            self.activation,
            self.activate_final if activate_final is None else activate_final,
            name or f"{self.name}_reversed",
        )
