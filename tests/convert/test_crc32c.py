"""CRC-32C, against a loop over bits."""

import numpy as np
import pytest

from tenure.convert.crc32c import crc32c


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 5000])
def test_checksums_are_those_of_a_bitwise_loop(size):
    data = np.random.RandomState(size).bytes(size)
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    assert crc32c(data) == register ^ 0xFFFFFFFF
