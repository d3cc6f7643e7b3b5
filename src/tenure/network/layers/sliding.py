"""Windows over sequences as a dim of their own, and back; and sums with learned weights over them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.network import ops, sizes, versions
from tenure.network.dims import Dim
from tenure.network.layer import Layer, layer
from tenure.network.layers.dims_of import made, same
from tenure.network.layers.stepwise import kept, over_steps
from tenure.network.output import Output
from tenure.network.tensor import Tensor

MAX_WINDOW = 2**20


@layer("window")
class WindowLayer(Layer):
    """A window over an axis, as a new axis: right after it, or in front of all from behaviour version 18 on.

    Input [B, T, …], output [B, T, window_size, …]; in a loop [B, …] and [B, window_size, …].
    """

    stepwise = True

    def forward(
        self,
        source: Tensor,
        *,
        window_size: int | None = None,
        window_dim: Dim | None = None,
        window_left: int | None = None,
        window_right: int | None = None,
        axis: Any = "T",
        out_spatial_dim: Dim | None = None,
        padding: str = "same",
        stride: int = 1,
    ) -> Output:
        size = window_size or (window_dim.root.size if isinstance(window_dim, Dim) else None)
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise self.error("window_size", window_size, "a positive number is needed")
        if size > MAX_WINDOW:
            raise self.error("window_size", window_size, f"at most {MAX_WINDOW} frames are a window")
        if isinstance(stride, bool) or not isinstance(stride, int) or stride < 1:
            raise self.error("stride", stride, "a positive number is needed")
        x = source.batch_first()
        if over_steps(self, x, axis):
            window = made(self, "{}:window", size, window_dim)
            return self._step(x, window, (padding, stride, window_left, window_right))
        at = self.axis(x, axis)
        x = self.beyond(x, [at], 0)
        n, old = x.shape[at], x.dims[at]
        left, right = self._margins(padding, size, window_left, window_right)
        new = old if left or right or size == 1 else old - (size - 1)
        dim = same(new.ceildiv(stride), out_spatial_dim)
        window = made(self, "{}:window", size, window_dim)
        front = versions.at_least(versions.WINDOW_ORDER)
        place = (0 if stride == 1 else 1) if front else at + 1
        if front:
            x, at = x.move_axis(at, 0), 0
        data = jnp.pad(x.data, [(left, right) if i == at else (0, 0) for i in range(x.ndim)])
        starts = jnp.arange(0, sizes.at_least(0, n + left + right - size + 1), stride)
        data = jnp.take(data, starts[:, None] + jnp.arange(size), axis=at)
        return Output(_with_axis(x.replace_dim(at, dim), data, at, place, window))

    def _step(self, x: Tensor, window: Dim, how: tuple[Any, ...]) -> Output:
        """The last frames up to this one, in one step of a loop; zeros before the first."""
        size = window.root.size or 1
        if how[:2] != ("same", 1) or how[2:] not in ((size - 1, None), (None, 0), (size - 1, 0)):
            raise self.error(
                "window_right",
                how[3],
                "in a loop, a window can only have frames that were before",
                ["'window_right': 0, without 'padding' and 'stride'"],
            )
        before = kept(self, "state")
        frames = jnp.zeros((x.shape[0], size, *x.shape[1:]), x.dtype) if before is None else before.data
        frames = jnp.concatenate([frames[:, 1:], x.data[:, None]], axis=1)
        found = _with_axis(x, frames, 0, 1, window)
        return Output(found, state={"state": found})

    def _margins(self, padding: str, size: int, left: int | None, right: int | None) -> tuple[int, int]:
        if padding not in ("same", "valid"):
            raise self.error("padding", padding, "there are 'same' and 'valid'")
        if padding == "valid":
            return 0, 0
        if right is None:
            right = size - left - 1 if left is not None else size // 2
        if left is None:
            left = size - right - 1
        if left + right + 1 != size or min(left, right) < 0:
            raise self.error("window_left", left, f"left, right and the middle must be {size} frames")
        return left, right


def _with_axis(x: Tensor, data: Any, at: int, place: int, dim: Dim) -> Tensor:
    """`x` with a further axis, which in `data` comes right after axis `at`, moved to `place`."""
    data = jnp.moveaxis(data, at + 1, place)
    dims = list(x.dims)
    dims.insert(place, dim)

    def shift(axis: int | None) -> int | None:
        return axis if axis is None or axis < place else axis + 1

    return Tensor(data, tuple(dims), x.sparse_dim, shift(x.time_axis), shift(x.feature_axis))


@layer("fold")
class Fold(Layer):
    """Windows put back to where they came from; what overlaps is added up, or averaged.

    Input [B, T, window, …], output [B, T', …].
    """

    def forward(
        self,
        sources: Sequence[Tensor],
        *,
        mode: str,
        in_spatial_dim: Any,
        window_dim: Any,
        out_spatial_dim: Dim | None = None,
        padding: str = "same",
        window_left: int | None = None,
        window_right: int | None = None,
        stride: int = 1,
    ) -> Tensor:
        (x,) = sources
        if mode not in ("sum", "mean"):
            raise self.error("mode", mode, "there are 'sum' and 'mean'")
        time, window = self.axis(x, in_spatial_dim, allow_int=False), self.axis(x, window_dim, allow_int=False)
        is_time = time == x.time_axis
        x = x.transpose([time, window, *(i for i in range(x.ndim) if i not in (time, window))])
        n, size = x.shape[:2]
        left = window_left
        if left is None:
            left = (size - 1) // 2 if window_right is None else size - 1 - window_right
        out = self._out(x.dims[0] * stride, padding, left, size - 1 - left, out_spatial_dim)
        filled = ops.masked(x, x.dims[0], 0)
        places = jnp.arange(n)[:, None] * stride + jnp.arange(size)
        total = n * stride + size - stride
        data = jnp.zeros((total, *x.shape[2:]), x.dtype).at[places].add(filled.data)
        if mode == "mean":
            ones = ops.masked(x.like(jnp.ones_like(x.data)), x.dims[0], 0)
            data = data / jnp.maximum(jnp.zeros((total, *x.shape[2:]), x.dtype).at[places].add(ones.data), 1)
        data = data[left if padding.lower() == "same" else 0 :]
        wanted = sizes.current().padded(out)
        data = sizes.lengthened(data, 0, 0, sizes.at_least(0, wanted - data.shape[0]))[:wanted]
        dims = (out, *x.dims[2:])
        found = Tensor(data, dims, x.sparse_dim)
        time_axis = 0 if is_time else found.time_axis
        feature = x.feature_axis - 1 if x.feature_axis is not None and x.feature_axis > 1 else found.feature_axis
        return Tensor(data, dims, x.sparse_dim, time_axis, feature)

    def _out(self, dim: Dim, padding: str, left: int, right: int, given: Dim | None) -> Dim:
        if given is not None and sizes.current().knows(given):
            return given
        if not isinstance(padding, str) or padding.lower() not in ("same", "valid"):
            raise self.error("padding", padding, "there are 'same' and 'valid'")
        return same(left + dim + right if padding.lower() == "valid" else dim, given)


@layer("weighted_sum")
class WeightedSum(Layer):
    """A sum over axes, or over windows in them, with learned weights `W`.

    Input [B, n, …], output [B, …]; with `size`, windows in n: [B, n', …].
    """

    def forward(
        self, source: Tensor, *, axes: Any, padding: str | None = None, size: Any = None, keep_dims: bool | None = None
    ) -> Tensor:
        at = sorted(self.axes(source, axes))
        if not 1 <= len(at) <= 3:
            raise self.error("axes", axes, "one to three axes are needed")
        whole = size is None
        keep = not whole if keep_dims is None else keep_dims
        window: list[Any] = [source.dims[a].root.size for a in at] if whole else list(size)
        mode = ("valid" if whole else padding) if padding is None else padding
        if (
            None in window
            or len(window) != len(at)
            or not isinstance(mode, str)
            or mode.lower() not in ("same", "valid")
        ):
            raise self.error(
                "size", size, f"a window for {len(at)} axes of known size, and 'same' or 'valid', are needed"
            )
        w = self.param("W", window, 1.0 / math.prod(window))
        rest = [i for i in range(source.ndim) if i not in at]
        x = jnp.transpose(self.beyond(source, at, 0).data, [*rest, *at])
        shape = x.shape[: len(rest)]
        y = jax.lax.conv_general_dilated(
            x.reshape(-1, 1, *x.shape[len(rest) :]), w[None, None], [1] * len(at), mode.upper()
        )
        y = y.reshape(*shape, *y.shape[2:])
        if not keep:
            return source.with_dims(y.reshape(shape), [source.dims[i] for i in rest], origin=rest)
        back = np.argsort([*rest, *at]).tolist()
        y = jnp.transpose(y, back)
        dims = list(source.dims)
        for i, a in enumerate(at):
            if y.shape[a] != source.shape[a] or mode.lower() == "valid":
                dims[a] = made(self, f"{{}}:weighted-sum:{i}", y.shape[a], None, source.dims[a].kind)
        return source.with_dims(y, dims, origin=range(source.ndim))
