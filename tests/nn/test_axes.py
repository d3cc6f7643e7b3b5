"""What an axis argument may say, and where the channels are."""

import pytest

from tenure.nn.axes import absolute, as_axes, get_channel_index, parameter_shape


@pytest.mark.parametrize(
    ("format", "index"),
    [("channels_first", 1), ("channels_last", -1), ("NHWC", -1), ("NCHW", 1), ("N...C", -1), ("NC", 1), ("BTHWD", -1)],
)
def test_channels(format, index):
    assert get_channel_index(format) == index


@pytest.mark.parametrize("format", ["", "HWC", "channels", "CN"])
def test_formats_without_channels(format):
    with pytest.raises(ValueError, match="Unable to extract channel information"):
        get_channel_index(format)


def test_axes():
    assert as_axes(-1) == (-1,) and as_axes([0, -1]) == (0, -1) and as_axes(slice(1, None)) == slice(1, None)
    assert absolute((-1, 0, 2), 3) == (0, 2) and absolute(slice(1, None), 4) == (1, 2, 3)
    for wrong in ("ab", 1.0, [1, "a"], None):
        with pytest.raises(ValueError, match="`axis` should be"):
            as_axes(wrong)


def test_shapes_of_parameters():
    assert parameter_shape((2, 3, 4), (2,)) == (4,)
    assert parameter_shape((2, 3, 4), (1,)) == (1, 3, 1)
    assert parameter_shape((2, 3, 4), (1, 2)) == (1, 3, 4)
