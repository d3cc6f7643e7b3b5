"""Dictionaries made wrong: keys renamed, values of other types, loops, missing layers, huge numbers."""

import copy

from hypothesis import strategies as st

JUNK = st.sampled_from(
    [None, True, False, 0, 1, -1, 3, 10**9, -(10**12), 0.5, -1.0, 1e300, float("nan"), "", "x", "data", "data:nope", "base:x", "prev:output",
     "T", "F", "B", [], ["data"], [3, 3], (), {}, {"a": 1}, {"class": "linear"}, "source(0) + (", "9**9**9", b"x", {1, 2}, [[[]]], "relu", "linear"]
)  # fmt: skip


def places(value, path=()):
    """The paths of everything inside of a dictionary."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


@st.composite
def mutated(draw, nets):
    """One of the dictionaries that the function `nets` gives, with one to three things changed."""
    nets = nets()
    index = draw(st.integers(0, len(nets) - 1))
    net = copy.deepcopy(nets[index])
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(net))
        if not found:
            break
        path = draw(st.sampled_from(found))
        holder, key = at(net, path[:-1]), path[-1]
        kind = draw(st.sampled_from(["value", "rename", "remove", "layer", "swap"]))
        if kind == "value":
            holder[key] = copy.deepcopy(draw(JUNK))  # a later change must not reach the next example
        elif kind == "rename" and isinstance(holder, dict):
            holder[draw(st.sampled_from([f"{key}x", "class", "from", "n_out", "output", str(key)[:-1]]))] = holder.pop(
                key
            )
        elif kind == "remove":
            del holder[key]
        elif kind == "layer":  # a reference to any layer, itself included
            holder[key] = draw(st.sampled_from([*map(str, net), "data"]))
        elif kind == "swap":
            holder[key] = copy.deepcopy(at(net, draw(st.sampled_from(found))))
    return index, net
