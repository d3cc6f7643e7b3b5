"""Weights of eight or four bits."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from tenure.core.notation import converters
from tenure.core.notation.stage import Part, Run, Spec, Stage, define, flag
from tenure.stages._common import all_but, axis_of, check_close, floating


def _bits(value: object) -> int:
    if value not in (4, 8):
        raise ValueError("it is 4 or 8")
    return converters.integer(value)


@define
class Quantise(Stage):
    """Whole numbers of 8 or 4 bits times one scale for each slice of `axis`, symmetric about zero.

    Two forms. While training, what is stored has full precision: it is rounded in the forward pass, and gradients pass as if it
    were not (straight through). With `packed=True`, what is stored are the numbers themselves (int8; two of 4 bits in a
    byte, along the first axis) and the leaf `scale` (size of `axis`,), both frozen: for inference. `tn.pack` leads from
    the first to the second.

    Args:
      bits: 8 or 4.
      axis: whose slices have scales of their own.
      packed: which of the two forms.

    Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
    2018, sections 2.1 and 3; the gradient is that of Bengio et al., "Estimating or Propagating Gradients Through Stochastic
    Neurons", 2013.

    >>> import jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (2, 1), init=jnp.ones, stages=[tn.stages.Quantise(4)]))
    >>> model.apply({"~": {"w": jnp.array([[7.0], [3.4]])}}, None)
    Array([[7.],
           [3.]], dtype=float32)
    """

    name = "quantise"
    signature = {"bits": _bits, "axis": converters.integer, "packed": flag}
    defaults = {"bits": 8, "axis": -1, "packed": False}
    least_axes = 2

    @property
    def freezes(self) -> bool:
        return self.arguments["packed"]

    def packed(self) -> Stage | None:
        return None if self.arguments["packed"] else Quantise(**{**self.arguments, "packed": True})

    def stored(self, spec: Spec):
        floating(spec, 1)
        axis_of(self.arguments["axis"], spec)
        if not self.arguments["packed"]:
            return spec
        if self.arguments["bits"] == 8:
            return Spec(spec.shape, jnp.int8)
        return Spec(((spec.shape[0] + 1) // 2, *spec.shape[1:]), jnp.uint8)

    def parts(self, spec: Spec):
        if not self.arguments["packed"]:
            return {}
        return {"scale": Part((spec.shape[axis_of(self.arguments["axis"], spec)],), spec.dtype, frozen=True)}

    def forward(self, value, parts, run: Run):
        if self.arguments["packed"]:
            numbers = value if self.arguments["bits"] == 8 else _unpack(value, run.spec.shape[0])
            return numbers.astype(run.spec.dtype) * self._along(parts["scale"], value.ndim)
        scale, numbers = self._round(value)
        rounded = numbers * self._along(scale, value.ndim)
        return value + jax.lax.stop_gradient(rounded - value)

    def _along(self, scale: jax.Array, ndim: int) -> jax.Array:
        return scale.reshape([-1 if i == self.arguments["axis"] % ndim else 1 for i in range(ndim)])

    def _round(self, value: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The scales, and the whole numbers as floating-point ones."""
        most = 2.0 ** (self.arguments["bits"] - 1) - 1
        largest = jnp.max(jnp.abs(value), all_but(self.arguments["axis"], value.ndim))
        scale = jnp.where(largest > 0, largest / most, 1).astype(value.dtype)
        return scale, jnp.clip(jnp.round(value / self._along(scale, value.ndim)), -most, most)

    def begin(self, value, draw):
        if not self.arguments["packed"]:
            return value, {}
        scale, numbers = self._round(value)
        whole = numbers.astype(jnp.int8)
        return whole if self.arguments["bits"] == 8 else _pack(whole), {"scale": scale}

    def assign(self, value, parts):
        if not self.arguments["packed"]:  # the weight is what it rounds to
            return value, {}
        scale, numbers = self._round(value)
        bits = self.arguments["bits"]
        near = numbers * self._along(scale, value.ndim)
        check_close(value, near, f"it is no grid of {bits}-bit numbers; round it first, or use tn.pack", rtol=1e-5)
        return self.begin(value, lambda _: None)


def _pack(numbers: jax.Array) -> jax.Array:
    """Two numbers from -8 to 7 in a byte, along the first axis: the even rows in the low half."""
    odd = numbers.shape[0] % 2
    rows = jnp.pad(numbers, [(0, odd)] + [(0, 0)] * (numbers.ndim - 1)).astype(jnp.uint8) & 0xF
    return rows[0::2] | (rows[1::2] << 4)


def _unpack(packed: jax.Array, rows: int) -> jax.Array:
    """The way back, to int8."""
    low, high = packed & 0xF, packed >> 4
    nibbles = jnp.stack([low, high], 1).reshape(-1, *packed.shape[1:])[:rows].astype(jnp.int8)
    return jnp.where(nibbles > 7, nibbles - 16, nibbles)
