"""Settings are checked."""

import pytest

import tenure.haiku as hk


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="second_request"):
        hk.ownership.set(second_request="yes")
