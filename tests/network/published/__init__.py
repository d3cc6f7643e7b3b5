"""Networks in the manner of published configs: `NETS`, name → (dictionary, data, functions of the config)."""

from tests.network.published import conformers, encoder_decoders, frames, speech, text
from tests.network.published.table import NETS

__all__ = ["NETS", "conformers", "encoder_decoders", "frames", "speech", "text"]
