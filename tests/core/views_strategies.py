"""Random shapes with views that fit them, for the tests of views, references and fuzzing."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from tenure.core.notation import views
from tenure.core.notation.refs import Ref

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
NAMES = ["alpha", "b", "c2", "dim_d"]


@st.composite
def axes_of(draw, shape):
    """An axis, counted from the front or from the back."""
    return draw(st.integers(-len(shape), len(shape) - 1))


@st.composite
def factors(draw, total):
    """A list of sizes whose product is `total`."""
    sizes = []
    while total > 1 and len(sizes) < 5:
        size = draw(st.sampled_from([d for d in range(1, total + 1) if total % d == 0]))
        sizes.append(size)
        total //= size
    return draw(st.permutations([*sizes, *[total] * (total > 1)]))


@st.composite
def reshapes(draw, shape):
    sizes = draw(factors(math.prod(shape)))
    if sizes and draw(st.booleans()):
        sizes[draw(st.integers(0, len(sizes) - 1))] = -1
    return views.Reshape(*sizes)


@st.composite
def permutes(draw, shape):
    order = draw(st.permutations(range(len(shape))))
    return views.Permute(*(i - len(shape) if draw(st.booleans()) else i for i in order))


@st.composite
def indexes(draw, shape):
    axis = draw(axes_of(shape))
    return views.Index(draw(st.integers(-shape[axis], shape[axis] - 1)), axis=axis)


@st.composite
def slices(draw, shape):
    axis = draw(axes_of(shape))
    size = shape[axis]
    start = draw(st.integers(0, size - 1))
    stop = draw(st.integers(start + 1, size))
    shown_start = draw(st.sampled_from([start, start - size] + [None] * (start == 0)))
    shown_stop = draw(st.sampled_from([stop] + [stop - size] * (stop < size) + [None] * (stop == size)))
    return views.Slice(shown_start, shown_stop, axis=axis)


@st.composite
def splits(draw, shape):
    axis = draw(axes_of(shape))
    n = draw(st.sampled_from([n for n in range(1, shape[axis] + 1) if shape[axis] % n == 0]))
    return views.Split(n, draw(st.integers(0, n - 1)), axis=axis)


@st.composite
def reorders(draw, shape):
    axis = draw(axes_of(shape))
    n = draw(st.sampled_from([n for n in range(1, shape[axis] + 1) if shape[axis] % n == 0]))
    return views.Reorder(*draw(st.permutations(range(n))), axis=axis)


@st.composite
def einops(draw, shape):
    """A pattern that takes some axes apart, moves everything, and puts some together."""
    left, atoms, sizes = [], [], {}
    for i, size in enumerate(shape):
        name = NAMES[i]
        if draw(st.booleans()):
            inner = draw(st.sampled_from([n for n in range(1, size + 1) if size % n == 0]))
            left.append(f"({name} {name}_in)")
            sizes[f"{name}_in"] = inner
            atoms += [name, f"{name}_in"]
        elif size == 1 and draw(st.booleans()):
            left.append("1")
        else:
            left.append(name)
            atoms.append(name)
    atoms = draw(st.permutations(atoms))
    right = []
    while atoms:
        n = draw(st.integers(1, len(atoms)))
        group, atoms = atoms[:n], atoms[n:]
        right.append(f"({' '.join(group)})" if n > 1 else group[0])
    for _ in range(draw(st.integers(0, 1))):
        right.insert(draw(st.integers(0, len(right))), "1")
    return views.Einops(f"{' '.join(left)} -> {' '.join(right)}", **sizes)


SCALES = st.floats(-4, 4, allow_nan=False).filter(lambda f: abs(f) > 0.1).map(views.Scale)
CASTS = st.sampled_from(["float32", "bfloat16", "float16", "int32"]).map(views.Cast)


def moving(shape):
    """A view that moves elements of that shape and computes nothing."""
    return st.one_of(
        st.just(views.Transpose()),
        permutes(shape),
        reshapes(shape),
        einops(shape),
        indexes(shape),
        slices(shape),
        splits(shape),
        reorders(shape),
    )


def fitting(shape):
    """Any view that fits the shape."""
    constrain = st.lists(st.sampled_from([None, "x", ("x", "y")]), max_size=len(shape)).map(
        lambda s: views.Constrain(*s)
    )
    return st.one_of(moving(shape), SCALES, CASTS, st.just(views.StopGradient()), constrain)


SHAPED_VIEWS = SHAPES.flatmap(lambda shape: st.tuples(st.just(shape), fitting(shape)))


@st.composite
def references(draw, depth=1):
    """A reference through any views, with another one inside of `concat`."""
    path = draw(st.lists(st.sampled_from(["a", "~", "enc", "w", "layer_0", "ß"]), min_size=1, max_size=4).map("/".join))
    steps = [v for _, v in draw(st.lists(SHAPED_VIEWS, max_size=3))]
    if depth and draw(st.booleans()):
        others = draw(st.lists(references(depth=depth - 1), min_size=1, max_size=2))
        steps.insert(draw(st.integers(0, len(steps))), views.Concat(*others, axis=draw(st.integers(-2, 2))))
    return Ref(path, tuple(steps), draw(st.booleans()))
