"""Pytrees as named arrays, and back: names are paths in the tree, and each leaf remembers what kind of value it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from tenure.checkpoints.errors import CheckpointError, ContentError
from tenure.core.errors import Party, brief

PLAIN = {bool: "bool", int: "int", float: "float", complex: "complex"}
_PYTHON = {name: kind for kind, name in PLAIN.items()}


class Host(NamedTuple):
    """A leaf on the host.

    Attributes:
      array: its values, C-contiguous and in the machine's byte order.
      form: "" for a JAX array, "numpy", "prng:" with the implementation for a typed key, or a Python type's name.
    """

    array: np.ndarray
    form: str


def named(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by their paths, with '/' between keys; equal names are numbered in the tree's order.

    >>> named({"a": [1, 2], "b": {"c": 3}})
    {'a/0': 1, 'a/1': 2, 'b/c': 3}
    """
    found: dict[str, Any] = {}
    for where, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = jax.tree_util.keystr(where, simple=True, separator="/")
        unique, number = name, 1
        while unique in found:
            number += 1
            unique = f"{name}#{number}"
        found[unique] = leaf
    return found


def refilled(tree: Any, values: Mapping[str, Any]) -> Any:
    """The tree with other leaves, by name."""
    return jax.tree.unflatten(jax.tree.structure(tree), [values[name] for name in named(tree)])


def is_key(leaf: Any) -> bool:
    """Whether a leaf is a typed random key, or the shape of one."""
    return hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def to_host(name: str, leaf: Any, copy: bool) -> Host:
    """A leaf's values on the host.

    Args:
      name: for errors.
      leaf: an array, a typed key or a Python number.
      copy: whether the result must not share memory with the leaf.

    Raises:
      CheckpointError: it is none of these.
    """
    form = PLAIN.get(type(leaf), "")
    if isinstance(leaf, jax.core.Tracer) or (isinstance(leaf, jax.Array) and leaf.is_deleted()):
        traced = isinstance(leaf, jax.core.Tracer)
        raise CheckpointError(
            f"'{name}' has no values: " + ("it is being traced" if traced else "its buffer was donated, or deleted"),
            ways=[
                "save outside of jax.jit"
                if traced
                else "save before the step that donates it, or what the step returns"
            ],
        )
    if is_key(leaf):
        form, leaf = f"prng:{jax.random.key_impl(leaf)}", jax.random.key_data(leaf)
    elif isinstance(leaf, (np.ndarray, np.generic)):
        form = "numpy"
    elif not form and not isinstance(leaf, jax.Array):
        raise CheckpointError(
            f"'{name}' is {brief(leaf)}, which is no array", ways=["keep what JSON can hold in metadata={…}"]
        )
    array = np.array(leaf, order="C", copy=True) if copy else np.asarray(leaf, order="C")
    if array.dtype.hasobject or (array.dtype.kind in "USMmV" and array.dtype.name.startswith(("str", "bytes", "void"))):
        raise CheckpointError(f"'{name}' is an array of {array.dtype}", ways=["save arrays of numbers"])
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("="))
    return Host(array, form)


def from_host(name: str, array: np.ndarray, form: str, sharding: Any = None) -> Any:
    """The leaf again; the array may be a file in memory, which the leaf does not keep.

    Args:
      name: for errors.
      array: its values.
      form: as `to_host` said.
      sharding: where to put it; None for JAX's default device.

    Raises:
      ContentError: 64 bits where JAX runs with 32, or an unknown kind of leaf.
    """
    if form in _PYTHON:
        return _PYTHON[form](array.item())
    if form == "numpy":
        return np.array(array)
    if form.startswith("prng:"):
        return wrapped(name, on_device(name, array, sharding), form)
    if form:
        raise ContentError(f"'{name}' is a leaf of an unknown kind, {brief(form)}", ways=["use a later version"])
    return on_device(name, array, sharding)


def wrapped(name: str, data: jax.Array, form: str) -> jax.Array:
    """A typed key from its data.

    Args:
      name: the leaf's, for the message.
      data: the key's numbers.
      form: which of JAX's generators it is of, as `to_host` wrote it.

    Raises:
      ContentError: JAX of today has no such keys.
    """
    try:
        return jax.random.wrap_key_data(data, impl=form.removeprefix("prng:").strip("'\""))
    except (ValueError, TypeError, KeyError) as e:
        raise ContentError(f"'{name}' is a random key that JAX can not read: {brief(str(e))}") from None


def on_device(name: str, array: np.ndarray, sharding: Any) -> jax.Array:
    """The array as JAX's, copied; each device reads its part only."""
    check_width(name, array.dtype)
    if isinstance(sharding, jax.sharding.Sharding) and len(sharding.device_set) > 1:
        return jax.make_array_from_callback(array.shape, sharding, lambda index: np.array(array[index]))
    return jax.device_put(_own(array), sharding)


def check_width(name: str, dtype: Any) -> None:
    """Raises `ContentError` for 64 bits where JAX would drop half of them."""
    if jax.dtypes.canonicalize_dtype(dtype) != dtype:
        raise ContentError(
            f"'{name}' is {dtype}, and JAX runs with 32 bits, so that it would be rounded",
            parties=[Party("file", name, f"{dtype}")],
            ways=['jax.config.update("jax_enable_x64", True), before anything else'],
        )


def _own(array: np.ndarray) -> np.ndarray:
    """A copy whose memory JAX can take over on CPUs: aligned to 64 bytes."""
    space = np.empty(array.nbytes + 64, np.uint8)
    start = -space.ctypes.data % 64
    aligned = space[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    aligned[...] = array
    return aligned
