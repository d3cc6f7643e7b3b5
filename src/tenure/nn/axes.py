"""What an axis argument may say, and where the channels are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

AxisOrAxes = int | Sequence[int] | slice

_CHANNELS_FIRST = re.compile(r"channels_first|NC[^C]*")
_CHANNELS_LAST = re.compile(r"channels_last|N[^C]*C|(BT|TB)[^D]*D")


def get_channel_index(data_format: str) -> int:
    """The axis of the channels: 1 or -1.

    Args:
      data_format: "channels_first", "channels_last", one letter for each axis of images ("NHWC", "NCHW", "N...C") or of
        sequences ("BTHWD").

    Raises:
      ValueError: it is none of these.

    >>> get_channel_index("NCHW"), get_channel_index("channels_last"), get_channel_index("BTD")
    (1, -1, -1)
    """
    if _CHANNELS_FIRST.fullmatch(data_format):
        return 1
    if _CHANNELS_LAST.fullmatch(data_format):
        return -1
    raise ValueError(
        f"Unable to extract channel information from {data_format!r}. Formats that have it are 'channels_last', "
        "'channels_first', 'NHWC', 'NCHW', 'N...C' and 'BTD'"
    )


def as_axes(axis: AxisOrAxes) -> tuple[int, ...] | slice:
    """An axis argument as a tuple or a slice.

    Raises:
      ValueError: it is no int, slice or sequence of ints.
    """
    if isinstance(axis, slice):
        return axis
    if isinstance(axis, int):
        return (axis,)
    if isinstance(axis, Iterable):
        axis = tuple(axis)
        if all(isinstance(a, int) for a in axis):
            return axis
    raise ValueError(f"`axis` should be an int, slice or iterable of ints. It is {axis!r}")


def absolute(axes: tuple[int, ...] | slice, ndim: int) -> tuple[int, ...]:
    """The axes counted from 0, sorted, each once."""
    if isinstance(axes, slice):
        return tuple(range(ndim)[axes])
    return tuple(sorted({axis % ndim for axis in axes}))


def parameter_shape(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a parameter that varies along some axes: 1 along the others, and [C] for the last axis alone."""
    if axes == (len(shape) - 1,):
        return (shape[-1],)
    return tuple(size if axis in axes else 1 for axis, size in enumerate(shape))
