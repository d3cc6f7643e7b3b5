"""GGUF's quantised types, against the package of llama.cpp."""

import numpy as np


def test_gguf_types_are_those_of_the_package():
    import gguf

    from tenure.convert.gguf_blocks import TYPES

    draw = np.random.RandomState(0)
    checked = 0
    for code, (name, kind) in TYPES.items():
        blocks = draw.randint(0, 256, (64, kind.bytes)).astype("uint8")
        with np.errstate(all="ignore"):
            found = kind.floats(blocks)
            try:
                wanted = gguf.quants.dequantize(blocks.reshape(-1), gguf.GGMLQuantizationType(code)).reshape(64, -1)
            except NotImplementedError:  # Q8_1 and Q8_K, which no file of weights has
                continue
        assert found.dtype == np.float32 and found.shape == (64, kind.values), name
        assert np.array_equal(found, wanted, equal_nan=True), name
        checked += 1
    assert checked >= 15
