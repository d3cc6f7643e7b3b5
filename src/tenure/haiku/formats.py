"""Arrays and sizes as text."""

from __future__ import annotations

import decimal
from typing import Any

_SHORT = (("complex", "c"), ("double", "d"), ("float", "f"), ("uint", "u"), ("int", "s"))


def simple_dtype(dtype: Any) -> str:
    """`float32` → `f32`, `int32` → `s32`.

    >>> import numpy as np
    >>> simple_dtype(np.float32), simple_dtype(np.dtype("int8"))
    ('f32', 's8')
    """
    name = (dtype(0).dtype if isinstance(dtype, type) else dtype).name
    for long, short in _SHORT:
        name = name.replace(long, short)
    return name


def format_array(x: Any) -> str:
    """`f32[2,3]`.

    >>> import numpy as np
    >>> format_array(np.ones((2, 3), np.float32))
    'f32[2,3]'
    """
    return f"{simple_dtype(x.dtype)}[{','.join(map(str, x.shape))}]"


def format_bytes(num_bytes: int) -> str:
    """`1.50 MB`; a kilobyte has 1,000 bytes.

    >>> format_bytes(123), format_bytes(1_500_000)
    ('123.00 B', '1.50 MB')
    """
    size, unit = decimal.Decimal(num_bytes), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.2f} {unit}"
