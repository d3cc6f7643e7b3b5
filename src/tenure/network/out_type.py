"""`out_type`: what a dictionary says of an output whose form a layer cannot know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from tenure.network import proxies, sizes
from tenure.network.data_proxy import DataProxy
from tenure.network.dims import FEATURE, SPATIAL, Dim, batch_dim
from tenure.network.output import Output
from tenure.network.tensor import AUTO, Tensor

if TYPE_CHECKING:
    from tenure.network.layer import Layer

_WORDS = """
name dtype dim shape dims dim_tags sparse sparse_dim batch_dim_axis time_dim_axis feature_dim_axis feature_dim vocab
available_for_inference beam batch same_dim_tags_as
"""
_KNOWN = frozenset(_WORDS.split())


def options(layer: Layer) -> dict[str, Any]:
    """The layer's `out_type`, with `n_out`.

    Raises:
      OptionError: it is no dictionary, or has an entry that is not known.
    """
    given = layer.node.get("out_type")
    if callable(given):
        given = _whole(layer, _called(layer, given))
    if given is not None and not isinstance(given, Mapping):
        raise layer.error("out_type", given, "a dict is needed", ["'out_type': {'dim': 10}"])
    found = dict(given or {})
    unknown = [k for k in found if k not in _KNOWN]
    if unknown:
        raise layer.error("out_type", given, f"there is no {unknown[0]!r} in it", [", ".join(sorted(_KNOWN))])
    if layer.node.get("n_out") is not None:
        found.setdefault("dim", layer.node.get("n_out"))
    return found


def _called(layer: Layer, function: Callable[..., Any]) -> Any:
    """What a function says of the output. Layers are given as functions of configs see them."""
    of = proxies.LayerProxy(layer.node.key, layer.run, Output(Tensor(None, ())), layer)
    return function(network=of.network, name=layer.node.name, sources=of.sources)


def _whole(layer: Layer, given: Any) -> Any:
    """A description that says all of an output, as an object of RETURNN's class `Data` does, with the lengths that it names."""
    given = given._tensor if isinstance(given, DataProxy) else given
    if isinstance(given, Tensor):
        return {"dims": given.dims, "dtype": str(given.dtype or "float32"), "sparse_dim": given.sparse_dim}
    if not isinstance(given, Mapping):
        return given
    found = dict(given)
    lengths = found.pop("size_placeholder", None) or {}
    if not reshapes(found) and "dim" in found:
        timed = found.get("time_dim_axis", found.get("batch_dim_axis", 0)) is not None
        found["shape"] = (*[None] * timed, *[found["dim"]] * (not found.get("sparse")))
    if "shape" in found:
        found.setdefault("batch_dim_axis", 0)
        found["shape"] = [
            _of_lengths(layer, lengths[i], i) if i in lengths else n for i, n in enumerate(found["shape"])
        ]
    return found


def _of_lengths(layer: Layer, lengths: Any, axis: int) -> Dim:
    """The dim of an input that has these lengths, or one of the layer's own for lengths that were computed."""
    found = sizes.current().dim_of(lengths)
    return layer.new_dim(f"out-type-lengths{axis}", None) if found is None else found


def _declare(layer: Layer, out: Tensor) -> None:
    """Tells the lengths of the dims that `out_type` made, where the data tell how much room there is."""
    given, known = layer.node.get("out_type"), sizes.current()
    told = _called(layer, given) if callable(given) else None
    lengths = told.get("size_placeholder") if isinstance(told, Mapping) else None
    for axis, n in (lengths or {}).items():
        dim = _of_lengths(layer, n, axis)
        if known.knows(dim) or dim not in out.dims:
            continue
        if jnp.shape(n) != (out.shape[out.batch_axis or 0],):
            raise layer.error("out_type", "size_placeholder", "the length of each sequence of the batch is needed")
        known.declare(dim, out.shape[out.axis(dim)], Tensor(jnp.asarray(n, jnp.int32), (batch_dim(),)))


def reshapes(given: Mapping[str, Any]) -> bool:
    """Whether it says which axes there are."""
    return any(k in given for k in ("shape", "dims", "dim_tags"))


def template(layer: Layer, frame: Tensor, given: Mapping[str, Any]) -> Tensor:
    """A tensor without data as `out_type` says, where it leaves something open as `frame` has it."""
    out = frame
    size = given.get("dim")
    size = size.root.size if isinstance(size, Dim) else size
    sparse_dim = given.get("sparse_dim")
    if reshapes(given):
        out = _from_shape(layer, frame, given, size)
        if frame.sparse and not {"sparse", "sparse_dim", "dim", "dims", "dim_tags", "dtype"} & set(given):
            out = Tensor(None, out.dims, frame.sparse_dim, out.time_axis, None)  # labels stay labels
    if given.get("sparse") is False and out.sparse:
        out = Tensor(None, out.dims, None, out.time_axis)
    if given.get("sparse") or sparse_dim is not None:
        if not out.sparse and out.feature_axis is not None and not reshapes(given):
            out = _without(out, out.feature_axis)
        dim = sparse_dim if isinstance(sparse_dim, Dim) else layer.new_dim("sparse-dim", size, FEATURE)
        return Tensor(None, out.dims, dim, out.time_axis, None)
    out_dim = layer.node.get("out_dim")
    if isinstance(out_dim, Dim) and out.feature_axis is not None:
        return out.replace_dim(out.feature_axis, out_dim)
    if size is not None and not reshapes(given):
        if out.sparse:
            return _resized_sparse(layer, out, size)
        if out.feature_axis is None:
            dim = layer.new_dim("feature-dense", size, FEATURE)
            return Tensor(None, (*out.dims, dim), None, out.time_axis, out.ndim)
        if out.feature_dim is not None and out.feature_dim.root.size != size:
            out = out.replace_dim(out.feature_axis, layer.new_dim("feature-dense", size, FEATURE))
    return out


def _resized_sparse(layer: Layer, out: Tensor, size: int) -> Tensor:
    if out.sparse_dim is not None and out.sparse_dim.root.size == size:
        return out
    return out.like(None, sparse_dim=layer.new_dim("sparse-dim", size, FEATURE))


def _without(x: Tensor, axis: int) -> Tensor:
    rest = [i for i in range(x.ndim) if i != axis]
    return x.with_dims(None, [x.dims[i] for i in rest], origin=rest)


def _from_shape(layer: Layer, frame: Tensor, given: Mapping[str, Any], size: Any) -> Tensor:
    dims = given.get("dims", given.get("dim_tags"))
    time, feature = given.get("time_dim_axis", AUTO), given.get("feature_dim_axis", AUTO)
    if dims is not None:
        return Tensor(None, tuple(dims), None, time, feature)
    shape = list(given["shape"])
    batch = given.get("batch_dim_axis", 0 if frame.batch_axis is None else frame.batch_axis)
    found = _matching(layer, frame, shape, size)
    if batch is not None and frame.batch_axis is not None:
        found.insert(batch, frame.batch_dim or batch_dim())
    elif batch is not None:
        found.insert(batch, batch_dim())
    sparse = bool(given.get("sparse")) or given.get("sparse_dim") is not None
    if feature is AUTO and not sparse:
        rest = [i for i, d in enumerate(found) if not d.is_batch]
        static = [i for i in rest if found[i].root.size is not None]
        feature = static[-1] if static else None
    return Tensor(None, tuple(found), None, time, None if sparse else feature)


def _matching(layer: Layer, frame: Tensor, shape: Sequence[Any], size: Any) -> list[Dim]:
    """For each size the dim of `frame` that it means, in order; new dims where there is none."""
    rest = [d for d in frame.dims if not d.is_batch]
    found = []
    for i, n in enumerate(shape):
        if isinstance(n, Dim):
            found.append(n)
            continue
        meant = layer.run.network.dims.get((layer.node.key, "out-type", i))
        fits = meant if meant in rest else None
        fits = fits or next((d for d in rest if (d.is_dynamic if n is None else d.root.size == n)), None)
        if fits is not None:
            rest.remove(fits)
            found.append(fits)
        else:
            kind = FEATURE if i == len(shape) - 1 and n == size else SPATIAL
            found.append(layer.new_dim(f"out-type{i}", n, kind))
    return found


_CONVERTED = "source(0, auto_convert=False) gives an input with its own axes, not with those of all inputs"


def _other(layer: Layer, given: Any, dim: Dim, size: int) -> Dim | None:
    """The dynamic dim of an input that None in "shape" means, where the first one has not the result's size."""
    if not dim.is_dynamic or not isinstance(given, Mapping) or "shape" not in given:
        return None
    known = sizes.current()
    others = [d for x in layer.sources for d in x.dims if d.is_dynamic]
    return next((d for d in others if known.padded(d) == size), None)


def _named(layer: Layer, out: Tensor, data: Any) -> str:
    """An array's axes by the dims that have these sizes, where there are such: the expected one first."""
    known = sizes.current()
    dims = [d for x in layer.sources for d in x.dims if known.knows(d)]
    names = []
    for i, n in enumerate(getattr(data, "shape", ())):
        expected = [d for d in out.dims[i : i + 1] if known.knows(d)]
        found = next((d for d in (*expected, *dims) if known.padded(d) == n and (d.is_dynamic or d in expected)), None)
        names.append(str(n) if found is None else repr(found))
    return f"[{', '.join(names)}]"


def check(layer: Layer, out: Tensor, data: Any) -> Tensor:
    """The template with its data, broadcast to the dims' sizes.

    Raises:
      OptionError: they do not fit.
    """
    known = sizes.current()
    given = layer.node.get("out_type")
    if getattr(data, "ndim", None) != out.ndim:
        raise layer.error(
            "out_type",
            given,
            f"the result is {_named(layer, out, data)}, and {list(out.dims)} is said or taken from the inputs",
            ["say what axes the result has:  'out_type': {'dims': […]}", _CONVERTED],
        )
    for axis, (dim, n) in enumerate(zip(out.dims, data.shape, strict=True)):
        if not known.knows(dim) or n in (1, known.padded(dim)):
            continue
        meant = _other(layer, given, dim, n)
        if meant is None:
            raise layer.error(
                "out_type",
                given,
                f"the result is {_named(layer, out, data)}, and its axis {axis} should be {dim!r}",
                ["say what the result is:  'out_type': {'dim': …}", _CONVERTED],
            )
        batch = out.batch_axis
        layer.run.network.dims[layer.node.key, "out-type", axis - (batch is not None and batch < axis)] = meant
        out = out.replace_dim(axis, meant)

    shape = tuple(known.padded(d) if known.knows(d) else n for d, n in zip(out.dims, data.shape, strict=True))
    out = out.like(jnp.broadcast_to(data, shape))
    _declare(layer, out)
    return out
