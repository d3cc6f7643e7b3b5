"""The sizes of a Transformer."""

import dataclasses
from typing import Any

import pytest

from tenure.nets import TransformerConfig

SMALL = TransformerConfig(width=16, num_heads=4, num_layers=2, encoder_layers=1, hidden=20, max_length=12)


@pytest.mark.parametrize("options", [{"num_heads": 5}, {"positions": "absolute"}])
def test_bad_sizes(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options)).replace("num_", "")):
        dataclasses.replace(SMALL, **options)
