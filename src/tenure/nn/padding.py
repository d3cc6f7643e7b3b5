"""How much to pad each spatial axis of a convolution: functions `effective kernel size -> (before, after)`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

PadFn = Callable[[int], tuple[int, int]]
Padding = str | PadFn | Sequence[PadFn] | tuple[int, int] | Sequence[tuple[int, int]]


def valid(effective_kernel_size: int) -> tuple[int, int]:
    """No padding.

    >>> valid(3)
    (0, 0)
    """
    return (0, 0)


def same(effective_kernel_size: int) -> tuple[int, int]:
    """As many outputs as inputs, where the stride is 1.

    >>> same(3), same(4)
    ((1, 1), (1, 2))
    """
    return ((effective_kernel_size - 1) // 2, effective_kernel_size // 2)


def full(effective_kernel_size: int) -> tuple[int, int]:
    """Every output that sees at least one input.

    >>> full(3)
    (2, 2)
    """
    return (effective_kernel_size - 1, effective_kernel_size - 1)


def causal(effective_kernel_size: int) -> tuple[int, int]:
    """Output t sees the inputs up to t.

    >>> causal(3)
    (2, 0)
    """
    return (effective_kernel_size - 1, 0)


def reverse_causal(effective_kernel_size: int) -> tuple[int, int]:
    """Output t sees the inputs from t on.

    >>> reverse_causal(3)
    (0, 2)
    """
    return (0, effective_kernel_size - 1)


def replicate(value: T | Sequence[T], count: int, name: str) -> tuple[T, ...]:
    """One value for each of `count` axes: the same one, or those of a sequence.

    Raises:
      TypeError: a sequence of another length, neither `count` nor 1.

    >>> replicate(3, 2, "stride"), replicate((3, 4), 2, "stride")
    ((3, 3), (3, 4))
    """
    if isinstance(value, str) or not isinstance(value, Sequence):
        return (value,) * count
    if len(value) not in (1, count):
        raise TypeError(
            f"{name} must be a scalar or sequence of length 1 or sequence of length {count}. It is {value!r}."
        )
    return tuple(value) if len(value) == count else tuple(value) * count


def is_padfn(padding: Any) -> bool:
    """Whether the padding is a function, or a sequence of functions.

    >>> is_padfn(same), is_padfn([same, valid]), is_padfn((1, 2))
    (True, True, False)
    """
    return callable(padding[0] if isinstance(padding, Sequence) else padding)


def create_from_padfn(padding: Any, kernel: Any, rate: Any, n: int) -> tuple[tuple[int, int], ...]:
    """What padding functions say for kernels of these sizes, whose elements are `rate` apart.

    >>> create_from_padfn(same, kernel=3, rate=(1, 2), n=2)
    ((1, 1), (2, 2))
    """
    kernels, rates = replicate(kernel, n, "kernel"), replicate(rate, n, "rate")
    sizes = [(size - 1) * apart + 1 for size, apart in zip(kernels, rates, strict=True)]
    return tuple(pad(size) for pad, size in zip(replicate(padding, n, "padding"), sizes, strict=True))


def create_from_tuple(padding: Any, n: int) -> tuple[tuple[int, int], ...]:
    """A pair for each of n axes, from one pair or a sequence of them.

    Raises:
      TypeError: a sequence of another length, neither n nor 1.

    >>> create_from_tuple((1, 2), 2), create_from_tuple([(1, 2)], 2)
    (((1, 2), (1, 2)), ((1, 2), (1, 2)))
    """
    if isinstance(padding[0], int):
        return (tuple(padding),) * n
    if len(padding) not in (1, n):
        raise TypeError(
            f"Padding must be a Tuple[int, int] or sequence of length 1 or sequence of length {n}, not {padding}"
        )
    return replicate(padding, n, "padding")


def create(padding: Any, kernel: Any, rate: Any, n: int) -> tuple[tuple[int, int], ...]:
    """A pair for each axis, from any form but a name.

    >>> create(full, 3, 1, 2), create((0, 1), 3, 1, 1)
    (((2, 2), (2, 2)), ((0, 1),))
    """
    return create_from_padfn(padding, kernel, rate, n) if is_padfn(padding) else create_from_tuple(padding, n)
