"""Streams of data, and what a network says of them: sizes, labels, lengths that must be equal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tenure.network.extern import Template
from tenure.training.batching.arrays import Padded
from tenure.training.data.base import Stream
from tenure.training.errors import DataSetError


def labels(template: Template) -> int | None:
    """How many labels an input has; None if it is not sparse, or nobody knows."""
    dim = template.tensor.sparse_dim
    return None if dim is None else dim.size


def sizes(template: Template) -> tuple[int, ...] | None:
    """The sizes of an entry, if the input is [batch, time, …] or [batch, …] with sizes that are known."""
    dims = template.tensor.dims
    rest = dims[2:] if len(dims) > 1 and dims[1].is_dynamic else dims[1:]
    found = tuple(dim.root.size for dim in rest)
    return found if dims and dims[0].is_batch and None not in found else None  # type: ignore[return-value]


def check_size(key: str, stream: Stream, template: Template) -> None:
    """Refuses frames of another size than those that the network is fed.

    Raises:
      DataSetError: they are.
    """
    wanted, given = sizes(template), stream.shape[1:]
    if not wanted or not given or None in given or stream.sparse or template.tensor.sparse_dim is not None:
        return
    if tuple(given) != wanted:
        raise DataSetError(
            f"the stream {key!r} of the data set has frames of the shape {tuple(given)}, and the network is fed {wanted}",
            ways=[f"the size of {key!r} in extern_data or num_inputs", "the options of the data set"],
        )


def alike(network: Any, keys: Iterable[str]) -> tuple[tuple[str, str, str], ...]:
    """The streams of which lengths must be equal: those with one time dim, and those that a loss compares frame by frame."""
    timed = {key: next((d for d in network.templates[key].tensor.dims if d.is_dynamic), None) for key in keys}
    known = [(key, dim) for key, dim in timed.items() if dim is not None]
    found = {
        (a, b): "extern_data gives them the same dim"
        for place, (a, dim) in enumerate(known)
        for b, other in known[place + 1 :]
        if dim == other
    }
    for layer, *dims in sorted(getattr(network, "aligned", ()), key=lambda entry: entry[0]):
        a, b = (next((key for key, dim in known if dim.root == root), None) for root in dims)
        if a is not None and b is not None:
            found.setdefault((a, b), f"the layer {layer!r} has a loss that compares them frame by frame")
    return tuple((a, b, why) for (a, b), why in found.items())


def check_lengths(one: str, other: str, why: str, batch: Padded) -> None:
    """Refuses a sequence with different lengths of two streams.

    Args:
      one, other: streams.
      why: they must be equal.
      batch: with its arrays.

    Raises:
      DataSetError: there is one; the message names it.
    """
    for piece in batch.planned.pieces:
        a, b = (int(piece.end[key] - piece.start[key]) for key in (one, other))
        if a != b:
            raise DataSetError(
                f"the sequence {batch.names[piece.index]!r} has {a} frames in the stream {one!r} and {b} in {other!r}, and {why}",
                ways=["data with an alignment", "a loss of whole sequences, such as 'ctc'"],
            )


def check_numbers(key: str, batch: Padded) -> None:
    """Refuses what is no number.

    Raises:
      DataSetError: the stream holds something else; the message names a sequence.
    """
    if batch.arrays[key].dtype.kind not in "iufb":
        raise DataSetError(
            f"the sequence {batch.tags[0]!r} has {batch.arrays[key].dtype} in the stream {key!r}, which the network is fed",
            ways=["a vocabulary makes labels of text"],
        )


def check_labels(key: str, batch: Padded, size: int) -> None:
    """Refuses labels that a network does not have.

    Args:
      key: of the stream.
      batch: with its arrays.
      size: how many labels there are.

    Raises:
      DataSetError: there are others; the message names the sequence.
    """
    array = batch.arrays[key]
    if not array.size or array.dtype.kind not in "iu" or (array.min() >= 0 and array.max() < size):
        return
    wrong = (array < 0) | (array >= size)
    raise DataSetError(
        f"the sequence {batch.sequences_with(key, wrong)[0]!r} has the label {array[wrong][0]} in the stream {key!r}, "
        f"and the network has {size} labels there, from 0",
        ways=[f"the size of {key!r} in extern_data or num_outputs", "the vocabulary of the data set"],
    )
