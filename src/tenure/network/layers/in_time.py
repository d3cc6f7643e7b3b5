"""Layers that lengthen, shorten or shift sequences."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.export import is_symbolic_dim

from tenure.core.run.rng import next_rng_key
from tenure.network import layout, ops, sizes
from tenure.network.dims import Dim
from tenure.network.layer import Layer, layer
from tenure.network.layers.dims_of import dynamic, made, same
from tenure.network.tensor import Tensor


def _positions(x: Tensor, at: int) -> jnp.ndarray:
    return jnp.arange(x.shape[at]).reshape([-1 if i == at else 1 for i in range(x.ndim)])


def _named(dim: Dim, layer: Layer) -> Dim:
    """The dim, which "stag:…" also finds by the name of the layer that made it, as published configs do."""
    return dim.copy(name=f"{dim.name}:{layer.node.name}")


@layer("prefix_in_time")
class PrefixInTime(Layer):
    """A value put before each sequence, so many times, which may differ for each sequence.

    Input [B, T, …], output [B, repeat + T, …].
    """

    def forward(
        self,
        source: Tensor,
        *,
        axis: Any = "T",
        out_dim: Dim | None = None,
        prefix: float = 0.0,
        repeat: Tensor | int = 1,
        size_base: Tensor | None = None,
    ) -> Tensor:
        at = self.axis(source, axis, allow_int=False)
        old = source.dims[at]
        value = self.entry("prefix", prefix, source.dtype)
        if not isinstance(repeat, Tensor):
            if isinstance(repeat, bool) or not isinstance(repeat, int) or repeat < 0:
                raise self.error("repeat", repeat, "a number of at least 0, or the name of a layer, is needed")
            data = jnp.pad(
                source.data, [(repeat if i == at else 0, 0) for i in range(source.ndim)], constant_values=value
            )
            return source.replace_dim(at, self._dim(_named(repeat + old, self), out_dim, size_base)).like(data)
        x = source.batch_first()
        x = x.move_axis(x.dims.index(old), min(1, x.ndim - 1))
        at = x.dims.index(old)
        total = ops.map2(jnp.add, self._lengths(old), repeat, broadcast_all=True)
        if out_dim is not None and out_dim.root.capacity is not None:
            room = sizes.at_least(out_dim.root.capacity, x.shape[at])
        else:
            room = sizes.current().bound(ops.map1(lambda r: jnp.maximum(r, 0), repeat)) + x.shape[at]
        dim = self._dim(None, out_dim, size_base) if size_base else dynamic(self, "{}:repeat", total, out_dim, room)
        data = sizes.lengthened(x.data, at, 0, room - x.shape[at])
        x = x.replace_dim(at, dim).like(data)
        index = _positions(x, at) - ops.aligned(repeat, x.dims)
        moved = jnp.take_along_axis(data, jnp.broadcast_to(jnp.maximum(index, 0), data.shape), axis=at)
        return x.like(jnp.where(index < 0, value, moved))

    def _lengths(self, dim: Dim) -> Tensor:
        known = sizes.current()
        found = known.lengths(dim)
        return Tensor(jnp.asarray(known.padded(dim), jnp.int32), ()) if found is None else found

    def _dim(self, dim: Dim | None, given: Dim | None, size_base: Tensor | None) -> Dim:
        if size_base is not None:
            if size_base.time_dim is None:
                raise self.error("size_base", self.node.get("size_base"), f"{size_base!r} has no time dim")
            return size_base.time_dim
        assert dim is not None
        return same(dim, given)


@layer("postfix_in_time")
class PostfixInTime(Layer):
    """A value, or what another layer gives, put after the end of each sequence, so many times.

    Input [B, T, …], output [B, T + repeat, …].
    """

    def forward(
        self,
        source: Tensor,
        *,
        axis: Any = "T",
        out_dim: Dim | None = None,
        postfix: Tensor | Any = 0.0,
        repeat: int = 1,
    ) -> Tensor:
        at = self.axis(source, axis, allow_int=False)
        if isinstance(repeat, bool) or not isinstance(repeat, int) or repeat < 0:
            raise self.error("repeat", repeat, "a number of at least 0 is needed")
        old = source.dims[at]
        dim = same(_named(old + repeat, self), out_dim)
        data = jnp.pad(source.data, [(0, repeat if i == at else 0) for i in range(source.ndim)])
        x = source.replace_dim(at, dim).like(data)
        value = self._value(postfix, source, at)
        lengths = sizes.current().lengths(old)
        end = jnp.asarray(source.shape[at]) if lengths is None else ops.aligned(lengths, x.dims)
        return x.like(jnp.where(_positions(x, at) < end, data, value))

    def _value(self, postfix: Any, x: Tensor, at: int) -> Any:
        if not isinstance(postfix, Tensor):
            return self.entry("postfix", postfix, x.dtype)
        if postfix.has(x.dims[at]):
            raise self.error("postfix", self.node.get("postfix"), f"{postfix!r} has the dim that is to become longer")
        return ops.aligned(postfix, x.dims).astype(x.dtype)


@layer("shift_axis")
class ShiftAxis(Layer):
    """Sequences shifted to the right (or left, if negative), with a value where nothing is left.

    Input [B, T, …], output [B, T, …] with `pad`, else [B, T - |amount|, …].
    """

    def forward(
        self,
        source: Tensor,
        *,
        axis: Any,
        amount: int,
        pad: bool = True,
        pad_value: float = 0,
        adjust_size_info: bool = True,
    ) -> Tensor:
        if isinstance(amount, bool) or not isinstance(amount, int) or amount == 0:
            raise self.error("amount", amount, "a number other than 0 is needed")
        at = self.axis(source, axis)
        n = source.shape[at]
        gone = sizes.at_most(abs(amount), n)
        kept = slice(gone, None) if amount < 0 else slice(0, n - gone)
        data = source.data[(slice(None),) * at + (kept,)]
        if pad:
            value = self.entry("pad_value", pad_value, source.dtype)
            before, after = (gone, 0) if amount > 0 else (0, gone)
            data = sizes.lengthened(data, at, before, after, value)
            if not adjust_size_info:
                return source.like(self._ended(source, at, data, amount, pad_value))
        return source.replace_dim(at, self._dim(source.dims[at], data.shape[at], amount, pad, adjust_size_info)).like(
            data
        )

    def _ended(self, x: Tensor, at: int, data: Any, amount: int, value: Any) -> Any:
        """With the value where nothing is left of a sequence that was shifted to the left."""
        if amount > 0 or not layout.ragged(x.dims[at]) or self.takes_padding_in:
            return data
        left = _positions(x, at) < layout.ends(x.dims[at], x.dims) + amount
        return jnp.where(left, data, self.entry("pad_value", value, x.dtype))

    def _dim(self, old: Dim, size: int, amount: int, pad: bool, adjust: bool) -> Dim:
        lengths = sizes.current().lengths(old)
        if lengths is None:
            return made(self, "{}_shift_axis", size if old.root.size is not None else None, None, old.kind)
        more = amount if adjust and (amount < 0 or pad) else 0
        new = ops.map1(lambda x: jnp.clip(x + more, 0, size), lengths)
        return dynamic(self, "{}_shift_axis", new, None, size, old.kind)


@layer("tile")
class Tile(Layer):
    """Axes repeated as a whole, one after the other.

    Input [B, …, n, …], output [B, …, multiple * n, …].
    """

    def forward(self, source: Tensor, *, multiples: Any, out_dims: Any = None) -> Tensor:
        if not isinstance(multiples, dict):
            raise self.error("multiples", multiples, "a dict of axes and numbers is needed", ["{'F': 3}"])
        x = source
        for description, n in multiples.items():
            at = self.axis(x, description, allow_int=False)
            if isinstance(n, bool) or not isinstance(n, int) or n < 1 or n > 2**16:
                raise self.error("multiples", multiples, "each must be a positive number")
            if n == 1:
                continue
            if x.dims[at].is_dynamic or x.dims[at].is_batch:
                raise self.error(
                    "multiples", multiples, f"{x.dims[at]!r} differs between sequences", ["the 'repeat' layer"]
                )
            dim = same(n * x.dims[at], (out_dims or {}).get(description))
            x = x.replace_dim(at, dim).like(jnp.tile(x.data, [n if i == at else 1 for i in range(x.ndim)]))
        return x


@layer("repeat")
class Repeat(Layer):
    """Each entry of an axis so many times as another layer, or a number, says.

    Input [B, T, …], `repetitions` a number or [B, T], output [B, T', …], T' the sum of all repetitions.
    """

    def forward(
        self, source: Tensor, *, repetitions: Tensor | int, axis: Any = "T", out_dim: Dim | None = None
    ) -> Tensor:
        x = source.batch_first()
        if x.batch_axis is None and isinstance(repetitions, Tensor) and repetitions.batch_axis is not None:
            n = repetitions.shape[repetitions.batch_axis]
            batch = repetitions.dims[repetitions.batch_axis]
            x = ops.map2(lambda a, b: a + b, x, Tensor(jnp.zeros((n,), x.dtype), (batch,)), broadcast_all=True)
            x = x.batch_first()
        first = 0 if x.batch_axis is None else 1
        x = x.move_axis(self.axis(x, axis, allow_int=False), first)
        old = x.dims[first]
        if not isinstance(repetitions, Tensor):
            if isinstance(repetitions, bool) or not isinstance(repetitions, int) or repetitions < 0:
                raise self.error("repetitions", repetitions, "a number, or the name of a layer, is needed")
            dim = same(old * repetitions, out_dim)
            return x.replace_dim(first, dim).like(jnp.repeat(x.data, repetitions, axis=first))
        others = [i for i, d in enumerate(repetitions.dims) if not d.is_batch]
        if not repetitions.has(old) and len(others) == 1:  # one number for each entry, over a dim of their own
            repetitions = repetitions.replace_dim(others[0], old)
        if not repetitions.has(old):
            number = Tensor(jnp.ones((x.shape[first],), repetitions.dtype), (old,))
            repetitions = ops.map2(jnp.multiply, repetitions, number, broadcast_all=True)
        counts = ops.masked(repetitions, old, 0)
        order = [i for i in (counts.batch_axis, counts.axis(old)) if i is not None]
        counts = counts.transpose(order)
        ends = jnp.cumsum(counts.data, axis=-1)
        total = Tensor(ends[..., -1], counts.dims[:-1])
        dim = dynamic(self, "repeated:{}", total, out_dim, kind=old.kind)
        steps = jnp.arange(sizes.current().padded(dim))
        index = jnp.sum(steps[..., :, None] >= ends[..., None, :], axis=-1)
        index = jnp.minimum(index, x.shape[first] - 1)
        if index.ndim == 1:
            data = jnp.take(x.data, index, axis=first)
        else:
            full = index.reshape(*index.shape, *[1] * (x.ndim - 2))
            data = jnp.take_along_axis(x.data, full, axis=1)
        return x.replace_dim(first, dim).like(data)


@layer("resize")
class Resize(Layer):
    """An axis stretched by a factor: by repeating, by interpolation, or with a value put in between.

    Input [B, T, …], output [B, factor * T, …].
    Source of cubic interpolation: Keys 1981, "Cubic convolution interpolation for digital image processing".
    """

    def forward(
        self,
        source: Tensor,
        *,
        factor: Tensor | Any,
        axis: Any,
        out_dim: Dim | None = None,
        kind: str = "nn",
        fill_value: Any = None,
        fill_dropout: float | None = None,
    ) -> Tensor:
        x = source.batch_first()
        x = x.move_axis(self.axis(x, axis), 1)
        if x.batch_axis != 0:
            raise self.error("axis", axis, "the batch cannot be resized")
        if kind in ("linear", "cubic") and not self.takes_padding_in:
            x = layout.edged(x, 1)
        n = x.shape[1]
        if fill_dropout:
            return self._thinned(x, factor, kind, fill_value, fill_dropout, out_dim)
        scale = self._scale(factor)
        whole = isinstance(factor, int) or (isinstance(factor, Tensor) and jnp.issubdtype(factor.dtype, jnp.integer))
        if isinstance(factor, int):
            dim, size = same(x.dims[1] * factor, out_dim), n * factor
        else:
            dim, size = self._dynamic(x.dims[1], n, factor, scale, whole, out_dim)
        return x.replace_dim(1, dim).like(self._stretched(x, size, factor, kind, fill_value))

    def _stretched(self, x: Tensor, size: int, factor: Any, kind: str, fill_value: Any) -> Any:
        if kind == "fill":
            return self._filled(x, factor, fill_value)
        return self._interpolated(x.data, x.shape[1], size, kind)

    def _thinned(self, x: Tensor, factor: Any, kind: str, value: Any, rate: float, given: Dim | None) -> Tensor:
        """With each entry that was put in between left out at this rate, in all sequences at the same places."""
        if not isinstance(factor, int) or isinstance(factor, bool) or not 0 < rate < 1:
            raise self.error("fill_dropout", rate, "a rate below 1, and a whole number as 'factor', are needed")
        n, old = x.shape[1], x.dims[1]
        data = self._stretched(x, n * factor, factor, kind, value)
        drawn = jax.random.bernoulli(next_rng_key(), 1 - rate, (n, factor - 1))
        kept = jnp.concatenate([jnp.ones((n, 1), bool), drawn], axis=1).reshape(-1)
        number = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(kept, dtype=jnp.int32)])
        lengths = sizes.current().lengths(old)
        before = Tensor(jnp.asarray(n, jnp.int32), ()) if lengths is None else lengths
        dim = dynamic(
            self, "{}_resize", ops.map1(lambda t: number[t * factor], before), given, n * factor, kind=old.kind
        )
        order = jnp.argsort(~kept, stable=True)
        return x.replace_dim(1, dim).like(jnp.take(data, order, axis=1))

    def _scale(self, factor: Any) -> float | None:
        if isinstance(factor, Tensor):
            if factor.ndim:
                raise self.error("factor", self.node.get("factor"), f"one number is needed, not {factor!r}")
            return None
        if isinstance(factor, bool) or not isinstance(factor, (int, float)) or factor <= 0:
            raise self.error("factor", factor, "a positive number, or the name of a layer, is needed")
        return float(factor)

    def _dynamic(self, old: Dim, n: int, factor: Any, scale: Any, whole: bool, given: Dim | None) -> tuple[Dim, int]:
        by = factor.data if isinstance(factor, Tensor) else scale

        def stretched(x: Any) -> Any:
            return x * by if whole else jnp.ceil(jnp.asarray(x, jnp.float32) * by).astype(jnp.int32)

        total = Tensor(jnp.asarray(stretched(jnp.asarray(n))), ())
        dim = made(self, "{}_resize", None, given, old.kind)
        known = sizes.current()
        if isinstance(factor, Tensor):
            size = known.bound(total, dim)
        elif is_symbolic_dim(n):
            ratio = Fraction(scale).limit_denominator(1000)
            size = -(-n * ratio.numerator // ratio.denominator)
        else:
            size = int(np.ceil(np.float32(n) * np.float32(scale)))
        lengths = known.lengths(old)
        known.declare(dim.root, size, None if lengths is None else ops.map1(stretched, lengths))
        return dim, size

    def _filled(self, x: Tensor, factor: Any, value: Any) -> Any:
        if not isinstance(factor, int) or factor < 2:
            raise self.error("factor", factor, "'fill' needs a whole number of at least 2")
        if x.sparse and isinstance(value, int) and value < 0:
            value += x.sparse_dim.root.size  # type: ignore[union-attr,operator]
        rest = jnp.full((*x.shape[:2], factor - 1, *x.shape[2:]), value, x.dtype)
        both = jnp.concatenate([x.data[:, :, None], rest], axis=2)
        return both.reshape(x.shape[0], -1, *x.shape[2:])

    def _interpolated(self, data: Any, n: int, size: int, kind: str) -> Any:
        """TensorFlow's first way: output `i` is at `i n / size`, not at the middle of its cell."""
        if isinstance(n, int) and not n:
            return data
        at = jnp.arange(size) * (n / size)
        low = jnp.minimum(jnp.floor(at).astype(jnp.int32), n - 1)
        if kind in ("nn", "nearest_neighbor"):
            return jnp.take(data, low, axis=1)
        if kind == "cubic":
            return self._cubic(data, at, low, n)
        if kind != "linear":
            raise self.error("kind", kind, "there are 'nn', 'linear', 'cubic' and 'fill'")
        weight = (at - low).reshape(-1, *[1] * (data.ndim - 2)).astype(data.dtype)
        high = jnp.minimum(low + 1, n - 1)
        return jnp.take(data, low, axis=1) * (1 - weight) + jnp.take(data, high, axis=1) * weight

    def _cubic(self, data: Any, at: Any, low: Any, n: int) -> Any:
        """Keys 1981, "Cubic convolution interpolation", with -3/4; places in between are one of 1024, as TensorFlow has it."""
        x = jnp.round((at - low) * 1024) / 1024

        def near(d: Any) -> Any:
            return (1.25 * d - 2.25) * d * d + 1

        def far(d: Any) -> Any:
            return -0.75 * (((d - 5) * d + 8) * d - 4)

        total: Any = 0
        for offset, weight in ((-1, far(x + 1)), (0, near(x)), (1, near(1 - x)), (2, far(2 - x))):
            part = jnp.take(data, jnp.clip(low + offset, 0, n - 1), axis=1)
            total = total + part * weight.reshape(-1, *[1] * (data.ndim - 2)).astype(data.dtype)
        return total
