"""Products of two tensors, and attention with given weights."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.network import ops, sizes, versions
from tenure.network.dims import SPATIAL, Dim
from tenure.network.layer import Layer, layer
from tenure.network.layers.shape import without_axes
from tenure.network.tensor import AUTO, Tensor

_EXPLICIT_AXES = 3


@layer("dot")
class Dot(Layer):
    """The sum over the axes `reduce` of both inputs of their product.

    Axes that both have stay; those of one only (`var1`, `var2`) follow, first those of the first input.

    Inputs [*common, *var1, *reduce] and [*common, *var2, *reduce] in any order, output [*common, *var1, *var2].
    """

    def forward(
        self,
        sources: Sequence[Tensor],
        *,
        reduce: Any = None,
        red1: Any = None,
        red2: Any = None,
        var1: Any = "unset",
        var2: Any = "unset",
        add_var2_if_empty: bool | None = None,
        use_mask: bool = True,
        debug: bool = False,
    ) -> Tensor:
        if len(sources) != 2:
            raise self.error("from", self.node.get("from"), "two inputs are needed")
        if reduce is not None:
            if red1 is not None or red2 is not None:
                raise self.error("reduce", reduce, "'red1' or 'red2' says it already")
            red1 = red2 = reduce
        new = versions.at_least(_EXPLICIT_AXES)
        if new and (red1 is None or red2 is None):
            raise self.error("reduce", reduce, "behaviour versions from 3 on ask for it", ["'reduce': a Dim, or 'F'"])
        old = not new and "auto" not in (var1, var2)
        if old:
            red1, red2 = (-1 if red1 is None else red1), (-2 if red2 is None else red2)
            var1, var2 = (-2 if var1 == "unset" else var1), (-1 if var2 == "unset" else var2)
        a, b = sources
        if isinstance(red1, Dim) and a.sparse_dim == red1 and not a.has(red1):
            return _lookup(b, self.axis(b, red2), a)
        if isinstance(red2, Dim) and b.sparse_dim == red2 and not b.has(red2):
            return _lookup(a, self.axis(a, red1), b)
        reduced = self.axes(a, red1, allow_int=old), self.axes(b, red2, allow_int=old)
        if not reduced[0] or len(reduced[0]) != len(reduced[1]):
            raise self.error(
                "reduce", reduce if reduce is not None else (red1, red2), f"not in both of {a!r} and {b!r}"
            )
        auto = (new and "unset" in (var1, var2)) or "auto" in (var1, var2)
        if auto:
            var = _auto(a, b, *reduced)
        else:
            var = self.axes(a, var1, allow_int=old), self.axes(b, var2, allow_int=old)
        empty = old and (add_var2_if_empty is None or add_var2_if_empty)
        more = [self.new_dim("dummy-var2", 1, SPATIAL)] if empty and not var[1] else []
        return product(a, b, reduced, var, more, use_mask=use_mask, both=not self.run.single_step)


def _lookup(values: Tensor, axis: int, indices: Tensor) -> Tensor:
    """Entries of `values` along an axis: the product with one-hot vectors."""
    moved = values.move_axis(axis, 0)
    shared = [i for i, d in enumerate(moved.dims) if i and indices.has(d)]
    if shared:
        raise ops.DimError(f"{values!r} and {indices!r} share {[moved.dims[i] for i in shared]}")
    return Tensor(moved.data[indices.data], (*indices.dims, *moved.dims[1:]))


def _auto(a: Tensor, b: Tensor, red_a: Sequence[int], red_b: Sequence[int]) -> tuple[list[int], list[int]]:
    """The axes that only one of the tensors has."""
    strict = versions.at_least(versions.STRICT_DOT)

    def same(x: Dim, y: Dim) -> bool:
        alike = x.auto and y.auto and (x.name, x.kind, x.root.size) == (y.name, y.kind, y.root.size)
        return x == y or alike or (not strict and ops.similar(x, y))

    rest_a = [i for i in range(a.ndim) if i not in red_a]
    rest_b = [i for i in range(b.ndim) if i not in red_b]
    var_a = [i for i in rest_a if not any(same(a.dims[i], b.dims[j]) for j in rest_b)]
    var_b = [j for j in rest_b if not any(same(b.dims[j], a.dims[i]) for i in rest_a)]
    return var_a, var_b


def product(
    a: Tensor,
    b: Tensor,
    reduced: tuple[Sequence[int], Sequence[int]],
    var: tuple[Sequence[int], Sequence[int]],
    more: Sequence[Dim] = (),
    *,
    use_mask: bool = True,
    both: bool = False,
) -> Tensor:
    """The product, summed over `reduced`; the result's axes are those shared, then `var` of both, then `more`.

    Args:
      a, b: the factors.
      reduced: their axes that are summed over.
      var: their axes that only one of them has.
      more: dims of size 1 at the end.
      use_mask: whether what is beyond a sequence's end is left out.
      both: whether it is left out of both, so that it may be NaN; of one, it need only be finite.
    """
    rest_a = [i for i in range(a.ndim) if i not in (*reduced[0], *var[0])]
    rest_b = [i for i in range(b.ndim) if i not in (*reduced[1], *var[1])]
    places = ops.match([b.dims[j] for j in rest_b], [a.dims[i] for i in rest_a], broadcast=True)
    if None in places or len(rest_a) != len(rest_b):
        raise ops.DimError(
            f"the axes {[a.dims[i] for i in rest_a]} of {a!r} do not match {[b.dims[j] for j in rest_b]} of {b!r}"
        )
    for i, j in zip(*reduced, strict=True):
        if a.shape[i] != b.shape[j]:
            raise ops.DimError(f"{a.dims[i]!r} of {a!r} and {b.dims[j]!r} of {b!r} differ in size")
    if use_mask:
        a, b = _masked(a, b, reduced, both)
    letters = iter(string.ascii_letters)
    names_a = {i: next(letters) for i in range(a.ndim)}
    names_b = {j: next(letters) for j in range(b.ndim)}
    for i, j in zip(*reduced, strict=True):
        names_b[j] = names_a[i]
    for i, place in zip(rest_a, places, strict=True):
        names_b[rest_b[place]] = names_a[i]  # type: ignore[index]
    out = [names_a[i] for i in (*rest_a, *var[0])] + [names_b[j] for j in var[1]]
    formula = f"{''.join(names_a.values())},{''.join(names_b[j] for j in range(b.ndim))}->{''.join(out)}"
    data = jnp.einsum(formula, a.data, b.data, precision=jax.lax.Precision.DEFAULT)
    dims = [a.dims[i] for i in (*rest_a, *var[0])] + [b.dims[j] for j in var[1]] + list(more)
    data = data.reshape((*data.shape, *(1 for _ in more)))
    time = _time(a, b, names_a, names_b, out)
    return Tensor(data, tuple(dims), time_axis=time, feature_axis=AUTO)


def _time(a: Tensor, b: Tensor, names_a: dict[int, str], names_b: dict[int, str], out: list[str]) -> Any:
    for x, names in ((a, names_a), (b, names_b)):
        if x.time_axis is not None and names[x.time_axis] in out:
            return out.index(names[x.time_axis])
    return None if a.time_axis is None and b.time_axis is None else AUTO


def _masked(a: Tensor, b: Tensor, reduced: tuple[Sequence[int], Sequence[int]], both: bool) -> tuple[Tensor, Tensor]:
    """What is beyond a sequence's end does not count: one of the two is zero there, or each is."""
    for i, j in zip(*reduced, strict=True):
        for x, axis, which in ((a, i, 0), (b, j, 1)):
            if not x.dims[axis].is_dynamic:
                continue
            try:
                done = ops.masked(x, x.dims[axis], 0)
            except ops.DimError:  # the lengths go over an axis that only the other has
                continue
            a, b = (done, b) if which == 0 else (a, done)
            if not both:
                break
    return a, b


@layer("generic_attention")
class GenericAttention(Layer):
    """The sum over time of `base`, with weights; over the frames of a window, where `base` is one without a time.

    `weights` [B, T, …], `base` [B, T, …, F], output [B, …, F].
    Source: Bahdanau et al. 2014, https://arxiv.org/abs/1409.0473.
    """

    def forward(
        self, sources: Sequence[Tensor] = (), *, weights: Tensor, base: Tensor, auto_squeeze: bool = True
    ) -> Tensor:
        if base.feature_axis is None:
            raise self.error("base", self.node.get("base"), f"{base!r} needs a feature axis")
        weights = weights.batch_first()
        frames, time = self._over(weights, base)
        rest_base = [i for i in range(base.ndim) if i not in (base.batch_axis, frames, base.feature_axis)]
        rest = [i for i in range(weights.ndim) if i not in (weights.batch_axis, time)]
        squeezed, kept = [], []
        for i in reversed(rest):
            if rest_base and weights.dims[i].root.size == base.dims[rest_base[-1]].root.size:
                rest_base.pop()
            elif auto_squeeze and weights.dims[i].root.size == 1:
                squeezed.append(i)
            else:
                kept.append(i)
        if rest_base:
            raise self.error(
                "base", self.node.get("base"), f"{[base.dims[i] for i in rest_base]} of {base!r} is not in {weights!r}"
            )
        if squeezed:
            moved = [i for i in range(weights.ndim) if i not in squeezed]
            kept, time = [moved.index(i) for i in kept], moved.index(time)
            weights = without_axes(weights, squeezed, jnp.squeeze(weights.data, tuple(squeezed)))
        once = not self.run.single_step  # in each step of a loop, the frames would be copied for it
        return product(weights, base, ([time], [frames]), (sorted(kept), [base.feature_axis]), both=once)

    def _over(self, weights: Tensor, base: Tensor) -> tuple[int, int]:
        """The axes of base and weights over which the sum goes."""
        if base.time_axis is not None and weights.time_axis is not None:
            return base.time_axis, self._time_axis(weights, base)
        frames = (
            [base.time_axis] if base.time_axis is not None else [i for i in base.spatial_axes if i != base.batch_axis]
        )
        others = [i for i in range(weights.ndim) if i != weights.batch_axis]
        same = [(i, j) for i in frames for j in others if base.dims[i] == weights.dims[j]]
        size = sizes.current().padded
        alike = [(i, j) for i in frames for j in others if size(base.dims[i]) == size(weights.dims[j])]
        found = same or alike
        if len(found) != 1:
            rule = (
                f"no axis of {weights!r} is the time of {base!r}" if not found else f"several axes of {weights!r} fit"
            )
            raise self.error("weights", self.node.get("weights"), rule)
        return found[0]

    def _time_axis(self, weights: Tensor, base: Tensor) -> int:
        dynamic = weights.dynamic_axes
        assert weights.time_axis is not None
        if weights.time_axis not in dynamic or len(dynamic) == 1:
            return weights.time_axis
        fits = [i for i in dynamic if weights.dims[i] == base.dims[base.time_axis]]  # type: ignore[index]
        if not fits:
            raise self.error("weights", self.node.get("weights"), f"no axis of {weights!r} is the time of {base!r}")
        return weights.time_axis if weights.time_axis in fits else fits[-1]
