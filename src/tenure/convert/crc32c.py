"""CRC-32C (Castagnoli, RFC 3720, B.4), as a polynomial over many bytes at once with numpy."""

from __future__ import annotations

import functools

import numpy as np

_POLYNOMIAL = 0x82F63B78
_LANE = 1024  # bytes of a lane; all lanes advance together


@functools.cache
def _table() -> np.ndarray:
    """What one byte does to the register. uint32 [256]."""
    value = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        value = np.where(value & 1, (value >> 1) ^ np.uint32(_POLYNOMIAL), value >> 1).astype(np.uint32)
    return value


@functools.cache
def _after_lane() -> np.ndarray:
    """What `_LANE` zero bytes do to each byte of the register. uint32 [4, 256]."""
    registers = np.arange(256, dtype=np.uint32)[None] << (8 * np.arange(4, dtype=np.uint32))[:, None]
    for _ in range(_LANE):
        registers = (registers >> 8) ^ _table()[registers & 255]
    return registers


def crc32c(data: bytes | memoryview) -> int:
    """The checksum of some bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    raw = np.frombuffer(data, np.uint8)
    whole = len(raw) // _LANE
    register = 0xFFFFFFFF
    if whole:
        lanes = np.zeros(whole, np.uint32)
        for column in raw[: whole * _LANE].reshape(whole, _LANE).T:
            lanes = (lanes >> 8) ^ _table()[(lanes ^ column) & 255]
        skip = [row.tolist() for row in _after_lane()]
        for lane in lanes.tolist():
            register = (
                skip[0][register & 255]
                ^ skip[1][register >> 8 & 255]
                ^ skip[2][register >> 16 & 255]
                ^ skip[3][register >> 24]
                ^ lane
            )
    table = _table().tolist()
    for byte in raw[whole * _LANE :].tolist():
        register = (register >> 8) ^ table[(register ^ byte) & 255]
    return register ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    """A checksum as files keep it, rotated and shifted, so that a checksum of checksums differs from its input.

    >>> hex(masked(0xE3069283))
    '0xc78ab0e5'
    """
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


__all__ = ["crc32c", "masked"]
