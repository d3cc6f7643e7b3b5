"""GGUF's quantised types: blocks of bytes to floats. Layouts: https://github.com/ggml-org/ggml, src/ggml-common.h.

Each function takes blocks, uint8 [blocks, bytes], and gives float32 [blocks, values].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

_IQ4 = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32)
_FP4 = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.float32)


class Blocks(NamedTuple):
    """A type: values and bytes of one block, and how blocks become floats."""

    values: int
    bytes: int
    floats: Callable[[np.ndarray], np.ndarray]


def _half(blocks: np.ndarray, at: int) -> np.ndarray:
    """A factor in 16 bits, as float32 [blocks, 1]."""
    return np.ascontiguousarray(blocks[:, at : at + 2]).view("<f2").astype(np.float32)


def _nibbles(data: np.ndarray) -> np.ndarray:
    """The low halves of some bytes, then the high halves."""
    return np.concatenate([data & 15, data >> 4], axis=-1)


def _shifted(data: np.ndarray, rows: int, shifts: tuple[int, ...], mask: int) -> np.ndarray:
    """Rows of bytes; of each row, the bits at each shift one after the other. [blocks, rows, shifts, bytes a row]."""
    parts = data.reshape(len(data), rows, 1, -1)
    return parts >> np.array(shifts, np.uint8)[:, None] & np.uint8(mask)


def _fifth_bits(data: np.ndarray) -> np.ndarray:
    """32 bits as numbers, [blocks, 32]."""
    return np.unpackbits(np.ascontiguousarray(data), axis=-1, bitorder="little")


def q4_0(b: np.ndarray) -> np.ndarray:
    """32 values of 4 bits: `d (q - 8)`."""
    return _half(b, 0) * (_nibbles(b[:, 2:]).astype(np.float32) - 8)


def q4_1(b: np.ndarray) -> np.ndarray:
    """32 values of 4 bits: `d q + m`."""
    return _half(b, 0) * _nibbles(b[:, 4:]).astype(np.float32) + _half(b, 2)


def q5_0(b: np.ndarray) -> np.ndarray:
    """32 values of 5 bits: `d (q - 16)`."""
    q = _nibbles(b[:, 6:]) | _fifth_bits(b[:, 2:6]) << 4
    return _half(b, 0) * (q.astype(np.float32) - 16)


def q5_1(b: np.ndarray) -> np.ndarray:
    """32 values of 5 bits: `d q + m`."""
    q = _nibbles(b[:, 8:]) | _fifth_bits(b[:, 4:8]) << 4
    return _half(b, 0) * q.astype(np.float32) + _half(b, 2)


def q8_0(b: np.ndarray) -> np.ndarray:
    """32 values of 8 bits: `d q`."""
    return _half(b, 0) * b[:, 2:].view(np.int8).astype(np.float32)


def q8_1(b: np.ndarray) -> np.ndarray:
    """32 values of 8 bits, and their sum, which is not needed: `d q`."""
    return _half(b, 0) * b[:, 4:].view(np.int8).astype(np.float32)


def q8_k(b: np.ndarray) -> np.ndarray:
    """256 values of 8 bits: `d q`, with `d` in 32 bits."""
    return np.ascontiguousarray(b[:, :4]).view("<f4") * b[:, 4:260].view(np.int8).astype(np.float32)


def q2_k(b: np.ndarray) -> np.ndarray:
    """256 values of 2 bits; 16 at a time have a scale and a minimum of 4 bits."""
    scales, q = b[:, :16], _shifted(b[:, 16:80], 2, (0, 2, 4, 6), 3)
    d, low = _half(b, 80) * (scales & 15), _half(b, 82) * (scales >> 4)
    return (d[..., None] * q.reshape(-1, 16, 16) - low[..., None]).reshape(-1, 256)


def q3_k(b: np.ndarray) -> np.ndarray:
    """256 values of 3 bits; 16 at a time have a scale of 6 bits."""
    high = _shifted(b[:, :32], 1, (0, 1, 2, 3, 4, 5, 6, 7), 1).reshape(-1, 256)
    q = _shifted(b[:, 32:96], 2, (0, 2, 4, 6), 3).reshape(-1, 256).astype(np.int8) - 4 * (high ^ 1).astype(np.int8)
    low = _nibbles(b[:, 96:104])
    top = _shifted(b[:, 104:108], 1, (0, 2, 4, 6), 3).reshape(-1, 16)
    scales = (low | top << 4).astype(np.float32) - 32
    return ((_half(b, 108) * scales)[..., None] * q.reshape(-1, 16, 16)).reshape(-1, 256)


def _six_bits(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eight scales and eight minima of 6 bits, in 12 bytes."""
    first, second, third = s[:, :4], s[:, 4:8], s[:, 8:12]
    scales = np.concatenate([first & 63, third & 15 | first >> 6 << 4], axis=-1)
    return scales, np.concatenate([second & 63, third >> 4 | second >> 6 << 4], axis=-1)


def _affine(b: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Eight times 32 values with a scale and a minimum each: types 4 and 5 of the K family."""
    scales, minima = _six_bits(b[:, 4:16])
    d, low = _half(b, 0) * scales, _half(b, 2) * minima
    return (d[..., None] * q.reshape(-1, 8, 32) - low[..., None]).reshape(-1, 256)


def q4_k(b: np.ndarray) -> np.ndarray:
    """256 values of 4 bits; 32 at a time have a scale and a minimum of 6 bits."""
    return _affine(b, _shifted(b[:, 16:], 4, (0, 4), 15))


def q5_k(b: np.ndarray) -> np.ndarray:
    """256 values of 5 bits; 32 at a time have a scale and a minimum of 6 bits."""
    high = _shifted(b[:, 16:48], 1, (0, 1, 2, 3, 4, 5, 6, 7), 1).reshape(-1, 256)
    return _affine(b, _shifted(b[:, 48:], 4, (0, 4), 15).reshape(-1, 256) | high << 4)


def q6_k(b: np.ndarray) -> np.ndarray:
    """256 values of 6 bits; 16 at a time have a scale of 8 bits."""
    low = _shifted(b[:, :128], 2, (0, 4), 15).reshape(-1, 256)
    high = _shifted(b[:, 128:192], 2, (0, 2, 4, 6), 3).reshape(-1, 256)
    q = (low | high << 4).astype(np.float32) - 32
    scales = _half(b, 208) * b[:, 192:208].view(np.int8)
    return (scales[..., None] * q.reshape(-1, 16, 16)).reshape(-1, 256)


def iq4_nl(b: np.ndarray) -> np.ndarray:
    """32 values of 4 bits, by a table that is not linear."""
    return _half(b, 0) * _IQ4[_nibbles(b[:, 2:])]


def iq4_xs(b: np.ndarray) -> np.ndarray:
    """256 values by the same table; 32 at a time have a scale of 6 bits."""
    low = np.stack([b[:, 4:8] & 15, b[:, 4:8] >> 4], axis=-1).reshape(-1, 8)
    high = np.ascontiguousarray(b[:, 2:4]).view("<u2") >> np.arange(0, 16, 2, dtype=np.uint16) & 3
    scales = _half(b, 0) * ((low | high << 4).astype(np.float32) - 32)
    q = _nibbles(b[:, 8:].reshape(-1, 8, 16))
    return (scales[..., None] * _IQ4[q]).reshape(-1, 256)


def tq1_0(b: np.ndarray) -> np.ndarray:
    """256 values of -1, 0 and 1, five to a byte."""
    powers = np.array([1, 3, 9, 27, 81], np.uint8)[:, None]
    parts = [b[:, None, :32] * powers, b[:, None, 32:48] * powers, b[:, None, 48:52] * powers[:4]]
    q = np.concatenate([p.reshape(len(b), -1) for p in parts], axis=-1).astype(np.uint16) * 3 >> 8
    return _half(b, 52) * (q.astype(np.float32) - 1)


def tq2_0(b: np.ndarray) -> np.ndarray:
    """256 values of -1, 0 and 1, four to a byte."""
    q = _shifted(b[:, :64], 2, (0, 2, 4, 6), 3).reshape(-1, 256)
    return _half(b, 64) * (q.astype(np.float32) - 1)


def mxfp4(b: np.ndarray) -> np.ndarray:
    """32 floats of 4 bits with an exponent of 8 bits: https://www.opencompute.org, Microscaling Formats."""
    with np.errstate(over="ignore"):
        return np.ldexp(_FP4[_nibbles(b[:, 1:])], b[:, :1].astype(np.int32) - 128)


TYPES: dict[int, tuple[str, Blocks]] = {
    2: ("Q4_0", Blocks(32, 18, q4_0)),
    3: ("Q4_1", Blocks(32, 20, q4_1)),
    6: ("Q5_0", Blocks(32, 22, q5_0)),
    7: ("Q5_1", Blocks(32, 24, q5_1)),
    8: ("Q8_0", Blocks(32, 34, q8_0)),
    9: ("Q8_1", Blocks(32, 36, q8_1)),
    10: ("Q2_K", Blocks(256, 84, q2_k)),
    11: ("Q3_K", Blocks(256, 110, q3_k)),
    12: ("Q4_K", Blocks(256, 144, q4_k)),
    13: ("Q5_K", Blocks(256, 176, q5_k)),
    14: ("Q6_K", Blocks(256, 210, q6_k)),
    15: ("Q8_K", Blocks(256, 292, q8_k)),
    20: ("IQ4_NL", Blocks(32, 18, iq4_nl)),
    23: ("IQ4_XS", Blocks(256, 136, iq4_xs)),
    34: ("TQ1_0", Blocks(256, 54, tq1_0)),
    35: ("TQ2_0", Blocks(256, 66, tq2_0)),
    39: ("MXFP4", Blocks(32, 17, mxfp4)),
}
# Types by tables of hundreds of vectors, which the package `gguf` has: values and bytes of a block.
TABLED: dict[int, tuple[str, int, int]] = {
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    29: ("IQ1_M", 256, 56),
}


def tabled(code: int) -> Any:
    """How the package `gguf` makes floats of blocks, or None where it is not installed."""
    try:
        import gguf
    except ImportError:
        return None
    kind = gguf.GGMLQuantizationType(code)
    return lambda blocks: gguf.quants.dequantize(blocks.reshape(-1), kind).reshape(len(blocks), -1)


__all__ = ["TABLED", "TYPES", "Blocks", "tabled"]
