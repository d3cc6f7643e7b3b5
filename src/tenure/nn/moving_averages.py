"""Running averages."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.run.module import Module, Share, Stages
from tenure.core.run.state import get_state, set_state
from tenure.functional.dtypes import typed
from tenure.initializers import Constant


class ExponentialMovingAverage(Module):
    """A running average `hidden ← decay · hidden + (1 - decay) · value`.

    Keeps the states `counter`, `hidden` and `average`. With `zero_debias`, `average = hidden / (1 - decay ** counter)`,
    which takes away the pull towards the zero that `hidden` starts from.

    Source: Kingma & Ba 2014, section 3, https://arxiv.org/abs/1412.6980.

    >>> import tenure as tn
    >>> model = tn.transform_with_state(lambda x: ExponentialMovingAverage(0.5)(x))
    >>> params, state = model.init(None, 4.0)
    >>> average, state = model.apply(params, state, None, 4.0)
    >>> average, state = model.apply(params, state, None, 1.0)
    >>> average
    Array(2., dtype=float32)
    """

    def __init__(
        self,
        decay: Any,
        zero_debias: bool = True,
        warmup_length: int = 0,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the average.

        Args:
          decay: in [0, 1); the closer to 1, the longer the average remembers.
          zero_debias: see above.
          warmup_length: how many values only replace the one before.
          name: of the module.

        Raises:
          ValueError: a negative warm-up, or one together with `zero_debias`.
        """
        super().__init__(name=name)
        if warmup_length < 0:
            raise ValueError(f"warmup_length counts calls and cannot be negative: {warmup_length}")
        if warmup_length and zero_debias:
            raise ValueError("after a warm-up the average does not start from zero: set zero_debias=False")
        self.decay = decay
        self.zero_debias = zero_debias
        self.warmup_length = warmup_length

    def initialize(self, shape: Any, dtype: Any = jnp.float32) -> None:
        """Makes the average zeros of that shape, if there is none.

        Args:
          shape: of the average.
          dtype: of the average.
        """
        if hasattr(shape, "shape"):
            warnings.warn(
                "initialize takes a shape and a dtype, not a value", category=DeprecationWarning, stacklevel=3
            )
            shape, dtype = shape.shape, shape.dtype
        get_state("hidden", shape, dtype, init=jnp.zeros)
        get_state("average", shape, dtype, init=jnp.zeros)

    def prepare(self, shape: Any, dtype: Any = jnp.float32) -> None:
        """As `initialize`, and the counter too: all that a later call needs.

        Args:
          shape: of the average.
          dtype: of the average.
        """
        get_state("counter", (), jnp.int32, init=Constant(-self.warmup_length))
        get_state("hidden", shape, dtype, init=jnp.zeros)
        get_state("average", shape, dtype, init=jnp.zeros)

    def __call__(self, value: Any, update_stats: bool = True) -> jax.Array:
        """Returns the average with `value` in it, and keeps it unless `update_stats=False`."""
        value = value if isinstance(value, jax.Array) else jnp.asarray(value)
        start = _Start(-self.warmup_length)
        before = get_state("counter", (), jnp.int32, init=start)
        counter = before + 1
        decay = typed(self.decay, value.dtype)
        if self.warmup_length > 0:
            decay = jax.lax.select(counter <= 0, jnp.zeros_like(decay), jnp.asarray(decay))
        one = np.ones([], value.dtype)
        hidden = get_state("hidden", value.shape, value.dtype, init=jnp.zeros)
        hidden = hidden * decay + value * (one - decay)
        average = hidden
        if self.zero_debias:
            # the first power is known, and need not wait for the counter, whose value `jnp.power` reads
            power = decay if before is start.made else jnp.power(decay, counter)
            average = hidden / (one - power)
        if update_stats:
            set_state("counter", counter)
            set_state("hidden", hidden)
            set_state("average", average)
        return average

    @property
    def average(self) -> jax.Array:
        """The average after the last call."""
        return get_state("average")


class _Start(Constant):
    """Where a counter starts; remembers what it has made outside of a trace.

    Attributes:
      made: the counter, if it was made here and now, and what it counts is known without a look at it.
    """

    made: Any = None

    def __call__(self, shape: Any, dtype: Any) -> jax.Array:
        value = super().__call__(shape, dtype)
        self.made = None if isinstance(value, jax.core.Tracer) else value
        return value


class EMAParamsTree(Module):
    """Moving averages of all parameters in a two-level dict.

    >>> import tenure as tn
    >>> model = tn.transform_with_state(lambda params: EMAParamsTree(0.9)(params))
    >>> params = {"linear": {"w": jnp.ones(3)}}
    >>> list(model.init(None, params)[1])
    ['ema_params_tree/linear__w']
    """

    def __init__(
        self,
        decay: Any,
        zero_debias: bool = True,
        warmup_length: int = 0,
        ignore_regex: str = "",
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the averages; see `ExponentialMovingAverage`.

        Args:
          decay: the weight of the average so far.
          zero_debias: whether to correct for the start at zero.
          warmup_length: how many calls return the newest value itself.
          ignore_regex: parameters whose full name matches stay as they are; "" for none.
          name: of the module.
        """
        super().__init__(name=name)
        self.decay = decay
        self.zero_debias = zero_debias
        self.warmup_length = warmup_length
        self.ignore_regex = ignore_regex

    def __call__(self, tree: Mapping[str, Mapping[str, Any]], update_stats: bool = True) -> dict[str, dict[str, Any]]:
        """The same dict with the averages."""

        def averaged(path: str, value: Any) -> Any:
            if self.ignore_regex and re.match(self.ignore_regex, path):
                return value
            name = path.replace("/", "__").replace("~", "_tilde_")
            average = ExponentialMovingAverage(self.decay, self.zero_debias, self.warmup_length, name=name)
            return average(value, update_stats=update_stats)

        return {m: {n: averaged(f"{m}/{n}", v) for n, v in bundle.items()} for m, bundle in tree.items()}
