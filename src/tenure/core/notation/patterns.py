"""Rearranging by a pattern, `'(h d) f -> h d f'`: the part of the einops notation that moves and never computes."""

from __future__ import annotations

import keyword
import math
import re

import jax
import jax.numpy as jnp

from tenure.core.errors import brief
from tenure.core.notation.operation import Misfit

Group = tuple[str, ...]


def _side(text: str) -> list[Group]:
    groups: list[Group] = []
    if not re.fullmatch(r"\s*((\([\w\s]*\)|\w+)(\s+|(?=\()|$))*", text):
        raise ValueError(f"{brief(text)} is not a list of axes")
    for inner, single in re.findall(r"\(([\w\s]*)\)|(\w+)", text):
        groups.append((single,) if single else tuple(inner.split()))
    return groups


class Rearrange:
    """A parsed pattern. Each name stands once on both sides; `1` is a new or vanishing axis of size one."""

    def __init__(self, pattern: str, sizes: dict[str, int]):
        left, arrow, right = pattern.partition("->")
        if not arrow:
            raise ValueError(f"{brief(pattern)} lacks '->'")
        self.left, self.right, self.sizes = _side(left), _side(right), sizes
        if bad := [k for k, v in sizes.items() if v < 1]:
            raise ValueError(f"the size of {brief(bad[0])} must be positive")
        ins = [n for g in self.left for n in g if n != "1"]
        outs = [n for g in self.right for n in g if n != "1"]
        if len(set(ins)) != len(ins) or sorted(ins) != sorted(outs):
            raise ValueError(f"each axis of {brief(pattern)} must stand once on both sides")
        if bad := [n for n in ins if not n.isidentifier() or keyword.iskeyword(n) or n == "pattern"]:
            raise ValueError(f"an axis cannot be named {brief(bad[0])}, since its size could not be given by keyword")
        if unknown := sorted(set(sizes) - set(ins)):
            raise ValueError(f"{brief(pattern)} has no axis {brief(unknown[0])}")
        self.order = [ins.index(n) for n in outs]
        self.names = ins

    def solve(self, shape: tuple[int, ...]) -> dict[str, int]:
        """The size of each name, given the shape of the left side.

        Raises:
          Misfit: the shape does not fit the pattern.
        """
        if len(shape) != len(self.left):
            raise Misfit(f"the pattern has {len(self.left)} axes on its left, {shape} has {len(shape)}")
        sizes = {"1": 1}
        for size, group in zip(shape, self.left, strict=True):
            free = [n for n in group if n != "1" and n not in self.sizes]
            rest = math.prod(self.sizes.get(n, 1) for n in group)
            if len(free) > 1 or size % rest or (not free and rest != size):
                given = ", ".join(f"{n}={self.sizes[n]}" for n in group if n in self.sizes)
                raise Misfit(f"an axis of size {size} is not ({' '.join(group)}){' with ' if given else ''}{given}")
            sizes.update({n: self.sizes.get(n, size // rest) for n in group if n != "1"})
        return sizes

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        sizes = self.solve(shape)
        return tuple(math.prod(sizes[n] for n in group) for group in self.right)

    def __call__(self, x: jax.Array) -> jax.Array:
        sizes = self.solve(x.shape)
        x = jnp.reshape(x, [sizes[n] for n in self.names])
        return jnp.reshape(jnp.transpose(x, self.order), [math.prod(sizes[n] for n in g) for g in self.right])

    def axes(self, axes: tuple[str | None, ...]) -> tuple[str | None, ...]:
        """An axis keeps its name if it is one axis on both sides."""
        known = {g[0]: a for g, a in zip(self.left, axes, strict=True) if len(g) == 1 and g[0] != "1"}
        return tuple(known.get(g[0]) if len(g) == 1 else None for g in self.right)

    def inverse(self, shape: tuple[int, ...]) -> tuple[str, dict[str, int]] | None:
        """The pattern and sizes that lead back to `shape`; None where a size of zero leaves them open."""
        solved = self.solve(shape)
        sizes = {n: solved[n] for group in self.right if len(group) > 1 for n in group if n != "1"}
        if not all(sizes.values()):
            return None
        text = [" ".join(g[0] if len(g) == 1 else f"({' '.join(g)})" for g in side) for side in (self.right, self.left)]
        return " -> ".join(text), sizes
