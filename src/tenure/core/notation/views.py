"""Views: what a borrower sees of its owner's value. Named, frozen, checked, and plain data.

A view is a function on one array that also knows what it does to a shape, to named axes and, where there is a way
back, its inverse. `transpose`, `permute(1, 0, 2)`, `reshape(2, -1)`, `index(3)`, `slice(0, 4, axis=1)`, `split(3, 0)`,
`reorder(1, 0)`, `concat('b/w', axis=0)`, `sum(0)`, `cast('bfloat16')`, `scale(0.5)`, `einops('(h d) f -> h d f', h=4)`, `stop_gradient`,
`constrain('model', None)`; others by `register`.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.errors import ViewSyntaxError
from tenure.core.notation import converters, patterns
from tenure.core.notation.functions import Opaque, as_view, register
from tenure.core.notation.refs import references
from tenure.core.notation.view import Axes, Misfit, Shape, View, define, lookup, parse, registry


def _axis(axis: int, shape: Shape) -> int:
    if not -len(shape) <= axis < len(shape):
        raise Misfit(f"there is no axis {axis} in {shape}")
    return axis % len(shape)


def _replace(values: tuple[Any, ...], axis: int, *new: Any) -> tuple[Any, ...]:
    return values[:axis] + new + values[axis + 1 :]


@define
class Transpose(View):
    """All axes in reverse order, as `x.T`."""

    name = "transpose"

    def __call__(self, x):
        return x.T

    def shape(self, shape):
        return shape[::-1]

    def axes(self, axes):
        return axes[::-1]

    def inverse(self, shape, dtype):
        return self


@define
class Permute(View):
    """Axes in a new order, as `jnp.transpose(x, axes)`."""

    name, signature, variadic = "permute", {"order": converters.permutation}, True

    def __call__(self, x):
        return jnp.transpose(x, self.arguments["order"])

    def shape(self, shape):
        order = self.arguments["order"]
        if len(order) != len(shape):
            raise Misfit(f"{order} is no order of the {len(shape)} axes of {shape}")
        return tuple(shape[i] for i in order)

    def axes(self, axes):
        return tuple(axes[i] for i in self.arguments["order"])

    def inverse(self, shape, dtype):
        return Permute(*(int(i) for i in np.argsort(self.arguments["order"])))


@define
class Reshape(View):
    """The same elements in another shape; one dimension may be -1."""

    name, signature, variadic = "reshape", {"sizes": converters.integers}, True

    def __call__(self, x):
        return jnp.reshape(x, self.arguments["sizes"])

    def shape(self, shape):
        sizes, total = self.arguments["sizes"], math.prod(shape)
        rest = math.prod(s for s in sizes if s != -1)
        free = sizes.count(-1)
        if any(s < -1 for s in sizes) or free > 1 or (free and (rest == 0 or total % rest)):
            raise Misfit(f"{shape} cannot be reshaped to {sizes}")
        out = tuple(total // rest if s == -1 else s for s in sizes)
        if math.prod(out) != total:
            raise Misfit(f"{shape} has {total} elements, {sizes} has {math.prod(out)}")
        return out

    def axes(self, axes):
        return (None,) * len(self.arguments["sizes"])  # a name would have to know the sizes

    def inverse(self, shape, dtype):
        return Reshape(*shape)


@define
class Index(View):
    """One slice of an axis; the axis goes. The way to use one layer of a stacked owner."""

    name, signature, defaults = "index", {"i": converters.integer, "axis": converters.integer}, {"axis": 0}

    def __call__(self, x):
        return jax.lax.index_in_dim(x, self.arguments["i"], self.arguments["axis"], keepdims=False)

    def shape(self, shape):
        axis = _axis(self.arguments["axis"], shape)
        if not -shape[axis] <= self.arguments["i"] < shape[axis]:
            raise Misfit(f"axis {axis} of {shape} has no index {self.arguments['i']}")
        return _replace(shape, axis)

    def axes(self, axes):
        return _replace(axes, self.arguments["axis"] % len(axes))


class _Range(View):
    """Some of an axis, from a first to a last one."""

    def _bounds(self, shape: Shape, axis: int) -> tuple[int, int]:
        raise NotImplementedError

    def __call__(self, x):
        axis = _axis(self.arguments["axis"], x.shape)
        return jax.lax.slice_in_dim(x, *self._bounds(x.shape, axis), axis=axis)

    def shape(self, shape):
        axis = _axis(self.arguments["axis"], shape)
        first, last = self._bounds(shape, axis)
        return _replace(shape, axis, last - first)


@define
class Slice(_Range):
    """`start:stop` of an axis, within bounds."""

    name, defaults = "slice", {"stop": None, "axis": 0}
    signature = {"start": converters.maybe_integer, "stop": converters.maybe_integer, "axis": converters.integer}

    def _bounds(self, shape, axis):
        start, stop, size = self.arguments["start"], self.arguments["stop"], shape[axis]
        first = 0 if start is None else start + size if start < 0 else start
        last = size if stop is None else stop + size if stop < 0 else stop
        if not 0 <= first < last <= size:
            raise Misfit(f"{start}:{stop} is not within an axis of size {size}")
        return first, last


@define
class Split(_Range):
    """Part `i` of `n` equal parts of an axis."""

    name, defaults = "split", {"axis": 0}
    signature = {"n": converters.integer, "i": converters.integer, "axis": converters.integer}

    def _bounds(self, shape, axis):
        n, i = self.arguments["n"], self.arguments["i"]
        if n < 1 or shape[axis] % n or not 0 <= i < n:
            raise Misfit(f"axis {axis} of {shape} has no part {i} of {n} equal parts")
        return shape[axis] // n * i, shape[axis] // n * (i + 1)


@define
class Reorder(View):
    """Equal parts of an axis in another order: `reorder(0, 2, 1, 3, axis=1)` swaps the middle two of four gates."""

    name, variadic = "reorder", True
    signature, defaults = {"order": converters.permutation, "axis": converters.integer}, {"axis": 0}

    def __call__(self, x):
        parts = jnp.split(x, len(self.arguments["order"]), self.arguments["axis"])
        return jnp.concatenate([parts[i] for i in self.arguments["order"]], self.arguments["axis"])

    def shape(self, shape):
        order, axis = self.arguments["order"], _axis(self.arguments["axis"], shape)
        if not order or shape[axis] % len(order):
            raise Misfit(f"axis {axis} of {shape} has no {len(order)} equal parts")
        return shape

    def inverse(self, shape, dtype):
        return Reorder(*(int(i) for i in np.argsort(self.arguments["order"])), axis=self.arguments["axis"])


@define
class Sum(View):
    """The sum over an axis; the axis goes. With `reshape`, of equal parts: two biases that are only ever added."""

    name, signature, defaults = "sum", {"axis": converters.integer}, {"axis": 0}

    def __call__(self, x):
        return jnp.sum(x, self.arguments["axis"], dtype=x.dtype)

    def shape(self, shape):
        return _replace(shape, _axis(self.arguments["axis"], shape))

    def axes(self, axes):
        return _replace(axes, self.arguments["axis"] % len(axes))


@define
class Concat(View):
    """The value followed by other references' values along an axis. The others are references as strings."""

    name, signature, variadic = "concat", {"others": references, "axis": converters.integer}, True
    defaults = {"axis": 0}

    def __call__(self, x, *others):
        return jnp.concatenate([x, *others], self.arguments["axis"]) if others else self.shape(x.shape)

    def shape(self, shape):
        raise Misfit(f"{self} needs the values of other parameters: it works in share=, ties= and tn.borrow only")

    def out(self, shape, dtype, *others):
        if not others:
            return self.shape(shape), dtype
        axis = _axis(self.arguments["axis"], shape)
        for reference, (further, other) in zip(self.references(), others, strict=True):
            if len(further) != len(shape) or _replace(further, axis) != _replace(shape, axis):
                raise Misfit(f"'{reference}' is {further}, which cannot follow {shape} on axis {axis}")
            if jnp.dtype(other) != jnp.dtype(dtype):
                raise Misfit(f"'{reference}' is {other}, which cannot follow {dtype}: cast one of them")
        return _replace(shape, axis, shape[axis] + sum(further[axis] for further, _ in others)), dtype

    def references(self):
        return self.arguments["others"]

    def with_references(self, references):
        return Concat(*references, axis=self.arguments["axis"])


@define
class Cast(View):
    """Another dtype."""

    name, signature = "cast", {"to": converters.dtype_name}

    def __call__(self, x):
        return jax.lax.convert_element_type(x, self.dtype(x.dtype))

    def dtype(self, dtype):
        to = jax.dtypes.canonicalize_dtype(self.arguments["to"])
        if jnp.issubdtype(dtype, np.complexfloating) and not jnp.issubdtype(to, np.complexfloating):
            raise Misfit(f"a cast of {dtype} to {to} would drop the imaginary part")
        return to

    def inverse(self, shape, dtype):
        return Cast(str(jnp.dtype(dtype)))


@define
class Scale(View):
    """The value times a number."""

    name, signature = "scale", {"factor": converters.number}

    def __call__(self, x):
        return x * self.arguments["factor"]

    def dtype(self, dtype):
        if not jnp.issubdtype(dtype, np.inexact):
            raise Misfit(f"{self} needs floating-point values, not {dtype}")
        return dtype

    def inverse(self, shape, dtype):
        factor = self.arguments["factor"]
        return Scale(1 / factor) if factor and math.isfinite(1 / factor) else None


@define
class Einops(View):
    """A pattern such as `'(h d) f -> h d f'` with the sizes that it needs; rearranges, never reduces."""

    name, signature, sizes = "einops", {"pattern": converters.text}, True

    def __init__(self, /, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        sizes = {k: v for k, v in self.arguments.items() if k != "pattern"}
        try:
            self._plan = patterns.Rearrange(self.arguments["pattern"], sizes)
        except ValueError as e:
            raise ViewSyntaxError(f"view 'einops': {e}", ways=["write einops('(h d) f -> h d f', h=4)"]) from None

    def __call__(self, x):
        return self._plan(x)

    def shape(self, shape):
        return self._plan.shape(shape)

    def axes(self, axes):
        return self._plan.axes(axes)

    def inverse(self, shape, dtype):
        back = self._plan.inverse(shape)
        return Einops(back[0], **back[1]) if back else None


@define
class StopGradient(View):
    """The same value, frozen for this use: no gradient flows from here to the owner."""

    name = "stop_gradient"

    def __call__(self, x):
        return jax.lax.stop_gradient(x)

    def inverse(self, shape, dtype):
        return self


@define
class Constrain(View):
    """The same value with an explicit sharding for this use: mesh axis names, or None, per axis."""

    name, variadic = "constrain", True
    signature = {"spec": converters.mesh_axes}

    def __call__(self, x):
        spec = jax.sharding.PartitionSpec(*self.arguments["spec"])
        return jax.lax.with_sharding_constraint(x, spec) if not jax.sharding.get_abstract_mesh().empty else x

    def shape(self, shape):
        if len(self.arguments["spec"]) > len(shape):
            raise Misfit(f"{self.arguments['spec']} names more axes than {shape} has")
        return shape

    def axes(self, axes):
        return (None,) * len(axes)

    def inverse(self, shape, dtype):
        return Constrain()


def __getattr__(name: str) -> type[View]:
    """`tn.views.transpose()`: every view, built in or registered, under its own name."""
    if name in registry:
        return registry[name]
    raise AttributeError(f"module 'tenure.core.notation.views' has no attribute {name!r}")


__all__ = ["Axes", "Misfit", "Opaque", "Shape", "View", "as_view", "lookup", "parse", "register"]
