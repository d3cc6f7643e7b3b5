"""Extern data: what the network is fed, as configs declare it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.errors import Party, brief, nearest
from tenure.network.dims import Dim, batch_dim, feature_dim, spatial_dim
from tenure.network.errors import DataError
from tenure.network.sizes import Sizes
from tenure.network.tensor import AUTO, Tensor

_WORDS = """name dtype sparse dim dims shape dim_tags batch_dim_axis time_dim_axis feature_dim_axis feature_dim sparse_dim
    same_dim_tags_as available_for_inference vocab batch beam feature_dim_axis_or_unspecified"""
_KNOWN = frozenset(_WORDS.split())
_LARGEST = 2**31 - 1  # of a size or the number of an axis


@dataclasses.dataclass(frozen=True)
class Template:
    """What one of the inputs looks like.

    Attributes:
      tensor: its dims and axes; the data are None.
      dtype: of its entries.
      available_for_inference: whether it is there without targets.
    """

    tensor: Tensor
    dtype: Any
    available_for_inference: bool = True


def parse(extern_data: Any) -> dict[str, Template]:
    """The inputs that `extern_data` declares.

    Args:
      extern_data: key → a `Tensor` (its data do not matter), a dict of options ("dim", "shape", "sparse", "dims", …),
        or as in `num_outputs`: a number of features, or `[dim, ndim]` with ndim 1 for indices.

    Raises:
      DataError: an entry says something else.

    >>> parse({"data": {"dim": 40}, "classes": {"dim": 10, "sparse": True}})["classes"].tensor
    Tensor[batch, time:classes] None of classes(10)
    """
    if not isinstance(extern_data, Mapping):
        raise DataError(f"extern_data is {brief(extern_data)}, not a dict", ways=["{'data': {'dim': 40}}"])
    found: dict[str, Template] = {}
    for key, entry in extern_data.items():
        if not isinstance(key, str):
            raise DataError(f"extern_data has the key {brief(key)}, not a string")
        found[key] = _entry(key, entry, found)
    return found


def _entry(key: str, entry: Any, known: Mapping[str, Template]) -> Template:
    if isinstance(entry, Template):
        return entry
    if isinstance(entry, Tensor):
        return Template(entry.like(None), getattr(entry.data, "dtype", jnp.int32 if entry.sparse else jnp.float32))
    if isinstance(entry, int) and not isinstance(entry, bool):
        entry = {"dim": entry}
    if isinstance(entry, (list, tuple)) and len(entry) == 2:
        entry = {"dim": entry[0], "sparse": entry[1] == 1}
    if not isinstance(entry, Mapping):
        raise DataError(f"extern_data['{key}'] is {brief(entry)}, not a dict", ways=["{'dim': 40}", "[40, 2]"])
    unknown = [k for k in entry if k not in _KNOWN]
    if unknown:
        raise DataError(
            f"extern_data['{key}'] has the option {brief(unknown[0])}, which there is not",
            near=nearest(str(unknown[0]), _KNOWN),
        )
    for option, value in entry.items():
        valid, ways = _VALID.get(option, (None, ""))
        if valid is not None and not valid(value):
            raise DataError(f"extern_data['{key}']: '{option}' is {brief(value)}", ways=[ways])
    return _from_options(key, dict(entry), known)


def _is_number(value: Any, least: int = -_LARGEST) -> bool:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return bool(whole and least <= value <= _LARGEST)


def _is_size(value: Any) -> bool:
    return value is None or isinstance(value, Dim) or _is_number(value, 0)


def _is_shape(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(_is_size(n) for n in value)


def _is_axis(value: Any) -> bool:
    return value is None or value is AUTO or _is_number(value) or getattr(value, "__name__", "") == "NotSpecified"


def _is_flag(value: Any) -> bool:
    return value is None or isinstance(value, (bool, np.bool_)) or _is_number(value)


def _is_dtype(value: Any) -> bool:
    if value is None:
        return True
    try:
        jax.dtypes.canonicalize_dtype(jnp.dtype(value))
        return not isinstance(value, (bool, int, list, tuple, dict))
    except (TypeError, ValueError):
        return False


_AXIS = (_is_axis, "the number of an axis, such as 1, or None")
_FLAG = (_is_flag, "True or False")
_VALID: dict[str, tuple[Callable[[Any], bool], str]] = {
    "dim": (_is_size, "a number of features or of labels:  'dim': 40"),
    "shape": (_is_shape, "'shape': (None, 40)"),
    "batch_dim_axis": _AXIS,
    "time_dim_axis": _AXIS,
    "feature_dim_axis": _AXIS,
    "sparse": _FLAG,
    "available_for_inference": _FLAG,
    "dtype": (_is_dtype, "'dtype': 'float32'"),
}


def _from_options(key: str, entry: dict[str, Any], known: Mapping[str, Template]) -> Template:
    sparse_dim = entry.get("sparse_dim")
    sparse = bool(entry.get("sparse", sparse_dim is not None))
    size = entry.get("dim")
    if isinstance(size, Dim):
        size = size.size
    if sparse and sparse_dim is None:
        sparse_dim = feature_dim(size, key, auto=True)
    dims = entry.get("dim_tags", entry.get("dims"))
    if dims is None:
        dims, time_axis, feature_axis = _dims(key, entry, sparse, size)
    else:
        if not isinstance(dims, (list, tuple)):
            raise DataError(
                f"extern_data['{key}']: its dims are {brief(dims)}, not a list", ways=["[batch_dim, time, …]"]
            )
        dims = [_dim_of(key, i, d, size) for i, d in enumerate(dims)]
        time_axis, feature_axis = (_place(key, entry, f"{of}_dim_axis", len(dims)) for of in ("time", "feature"))
    if feature_axis is AUTO and not sparse and not any(d.is_feature for d in dims) and "feature_dim" in entry:
        feature_axis = list(dims).index(entry["feature_dim"])
    for other in _same(entry):
        next((d for d in dims if d.is_dynamic), other).declare_same_as(other)
    dtype = jnp.dtype(entry.get("dtype") or ("int32" if sparse else "float32"))
    tensor = Tensor(None, tuple(dims), sparse_dim, time_axis, None if sparse else feature_axis)
    return Template(tensor, dtype, bool(entry.get("available_for_inference", True)))


def _dim_of(key: str, axis: int, given: Any, size: Any) -> Dim:
    """A dim of a list of dims: itself, or what a size, None or a word stands for."""
    if isinstance(given, Dim):
        return given
    if given is None or (isinstance(given, int) and not isinstance(given, bool) and given >= 0):
        return spatial_dim(f"{key}:{axis}", given, auto=True)
    word = given.lower() if isinstance(given, str) else ""
    if word in ("b", "batch"):
        return batch_dim()
    if word in ("t", "time"):
        return spatial_dim(f"time:{key}", None, auto=True)
    if word in ("f", "feature") and isinstance(size, int):
        return feature_dim(size, f"feature:{key}", auto=True)
    raise DataError(
        f"extern_data['{key}']: its dim {axis} is {brief(given)}",
        ways=["a Dim: batch_dim, Dim(None, 'time'), feature_dim(40)", "a size, or None", "'B', 'T', or 'F' with 'dim'"],
    )


def _same(entry: Mapping[str, Any]) -> list[Dim]:
    same = entry.get("same_dim_tags_as")
    return [dim for dim in same.values() if isinstance(dim, Dim)] if isinstance(same, Mapping) else []


def _place(key: str, entry: Mapping[str, Any], option: str, count: int) -> Any:
    """The number of an axis that an option names, of so many, counted from the first; None and AUTO as they are."""
    axis = entry.get(option, AUTO)
    if not _is_number(axis):
        return AUTO if axis is not None else None
    if not -count <= axis < count:
        raise DataError(f"extern_data['{key}']: '{option}' is {axis}, of {count} axes", ways=[f"0 to {count - 1}"])
    return int(axis) % count


def _dims(key: str, entry: Mapping[str, Any], sparse: bool, size: Any) -> tuple[list[Dim], Any, Any]:
    """Dims from "shape" (without the batch) and the numbers of the special axes."""
    shape = entry.get("shape", (None,) if sparse else (None, size))
    given: list[Any] = list(shape)
    batch = _place(key, {"batch_dim_axis": 0, **entry}, "batch_dim_axis", len(given) + 1)
    if batch is not None:
        given.insert(batch, batch_dim())
    rest = [i for i in range(len(given)) if i != batch]
    time = _place(key, entry, "time_dim_axis", len(given))
    if time is AUTO:
        time = next((i for i in rest if given[i] is None), None)
    feature = _place(key, entry, "feature_dim_axis", len(given))
    if feature is AUTO:
        static = [i for i in rest if i != time and given[i] is not None]
        others = [i for i in rest if i != time]
        feature = None if sparse or not others else (static or others)[-1]
    dims = []
    for i, n in enumerate(given):
        if isinstance(n, Dim):
            dims.append(n)
        elif i == feature:
            dims.append(feature_dim(n, f"feature:{key}", auto=True))
        else:
            name = f"time:{key}" if i == time else f"spatial{i}:{key}"
            dims.append(spatial_dim(name, n, auto=True))
    return dims, time, feature


def normalise(templates: Mapping[str, Template], batch: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A batch in the one form that the network's functions take: key → {"value": array, "1": lengths of axis 1}.

    Args:
      templates: what was declared.
      batch: key → array, (array, lengths of the first dynamic dim), (array, {dim: lengths}), or `Tensor` with lengths.

    Raises:
      DataError: a key that is not declared, or an array that does not have the declared axes.
    """
    found: dict[str, dict[str, Any]] = {}
    for key, value in batch.items():
        if key.startswith(":"):  # what is told of the batch, and is no stream
            found[key] = value
            continue
        if key not in templates:
            raise DataError(
                f"the batch has '{key}', which extern_data does not declare",
                near=nearest(key, templates),
                ways=["declare it"],
            )
        found[key] = value if isinstance(value, dict) else _one(key, templates[key].tensor.dims, value)
    return found


def _one(key: str, dims: Sequence[Dim], value: Any) -> dict[str, Any]:
    lengths: Any = None
    if isinstance(value, Tensor):
        value, lengths = value.data, dict(value.lengths)
    elif isinstance(value, tuple) and len(value) == 2:
        value, lengths = value
    shape = tuple(np.shape(value))
    if len(shape) != len(dims) or any(d.root.size not in (None, n) for d, n in zip(dims, shape, strict=False)):
        raise DataError(
            f"the batch's '{key}' has shape {shape}, and {list(dims)} is declared",
            parties=[Party("declared", key, str(list(dims))), Party("given", key, str(shape))],
        )
    entry = {"value": value}
    if lengths is not None and not isinstance(lengths, Mapping):
        first = next((d for d in dims if d.is_dynamic), None)
        lengths = {} if first is None else {first: lengths}
    for dim, given in (lengths or {}).items():
        if dim not in dims:
            raise DataError(f"the batch's '{key}' has lengths of {dim!r}, and the dims {list(dims)}")
        axis = list(dims).index(dim)
        if given is not None:
            _check_lengths(key, dims, axis, shape, given)
            entry[str(axis)] = given
    return entry


def _check_lengths(key: str, dims: Sequence[Dim], axis: int, shape: Sequence[int], given: Any) -> None:
    """Raises `DataError` unless lengths are whole numbers, one for each sequence, and within the array.

    Of lengths that are traced only shape and dtype are known.
    """
    batch = next((n for n, dim in zip(shape, dims, strict=True) if dim.is_batch), None)
    array, wanted = (given.data, None) if isinstance(given, Tensor) else (given, () if batch is None else (batch,))
    traced = isinstance(array, (jax.core.Tracer, jax.ShapeDtypeStruct))
    try:
        values = array if traced else np.asarray(array)
        number = np.issubdtype(values.dtype, np.number)
    except (TypeError, ValueError):  # lists of several lengths
        values, number = np.asarray(None), False

    def refuse(why: str) -> DataError:
        text = f"of shape {tuple(values.shape)}" if traced else brief(values.tolist())
        ways = ["(array, lengths):  one whole number for each sequence, at most the array's size"]
        return DataError(f"the batch's '{key}' has the lengths {text} along {dims[axis]!r}: {why}", ways=ways)

    if not number or (traced and not np.issubdtype(values.dtype, np.integer)):
        raise refuse("they are no whole numbers")
    if wanted is not None and len(values.shape) != len(wanted):
        raise refuse("one for each sequence is needed" if wanted else "a single one is needed")
    fixed = wanted is not None and all(isinstance(n, int) for n in (*wanted, *values.shape))
    if fixed and tuple(values.shape) != wanted:
        raise refuse(f"there are {batch} sequences")
    if traced or not values.size:
        return
    if not np.all(np.isfinite(values)) or np.any(values != np.floor(values)):
        raise refuse("they are no whole numbers")
    if values.min() < 0 or values.max() > shape[axis]:
        wrong = values.min() if values.min() < 0 else values.max()
        raise refuse(f"{int(wrong)} is " + ("negative" if wrong < 0 else f"above the array's size {shape[axis]}"))


def feed(templates: Mapping[str, Template], batch: Mapping[str, Any], sizes: Sizes) -> dict[str, Tensor]:
    """The inputs of one run as tensors; their sizes and lengths become known to `sizes`.

    Args:
      templates: what was declared.
      batch: from `normalise`.
      sizes: of the run.
    """
    found: dict[str, Tensor] = {}
    for key, entry in batch.items():
        template = templates[key]
        dims = template.tensor.dims
        array = jnp.asarray(entry["value"])
        if array.dtype != template.dtype and not jnp.issubdtype(template.dtype, jnp.floating):
            array = array.astype(template.dtype)
        for dim, n in zip(dims, array.shape, strict=True):
            if dim.root.size is None and not (dim.is_batch and sizes.knows(dim)):
                sizes.declare(dim.root, n)
        _learn(dims, entry, sizes)
        found[key] = template.tensor.like(array)
    return found


def _learn(dims: Sequence[Dim], entry: Mapping[str, Any], sizes: Sizes) -> None:
    batch = next((d for d in dims if d.is_batch), batch_dim())
    for axis, given in entry.items():
        if axis == "value":
            continue
        if not isinstance(given, Tensor):
            given = jnp.asarray(given, jnp.int32)
            given = Tensor(given, (batch,) if given.ndim else ())
        dim = dims[int(axis)]
        sizes.declare(dim.root, sizes.padded(dim), given)


def placeholders(templates: Mapping[str, Template]) -> dict[str, Any]:
    """A batch of shapes to find out shapes with: dynamic dims get sizes that nothing else has."""
    made: dict[Dim, int] = {}
    primes = iter((1009, 1013, 1019, 1021, 1031, 1033, 1039, 1049, 1051, 1061, *range(1063, 10000, 2)))
    batch: dict[str, Any] = {}
    for key, template in templates.items():
        shape = []
        for dim in template.tensor.dims:
            if dim.root.size is not None:
                shape.append(dim.root.size)
                continue
            if dim not in made:
                made[dim] = 3 if dim.is_batch else next(primes)
            shape.append(made[dim])
        n = next((n for n, d in zip(shape, template.tensor.dims, strict=True) if d.is_batch), None)
        data = jax.ShapeDtypeStruct(tuple(shape), template.dtype)
        length = jax.ShapeDtypeStruct(() if n is None else (n,), jnp.int32)
        dims = template.tensor.dims
        batch[key] = {"value": data} | {str(i): length for i, d in enumerate(dims) if d.is_dynamic}
    return batch
