"""Where recorded engine cases are: `../shared/engine` beside the repository, or what TENURE_ENGINE_REPLAY says."""

import os
from pathlib import Path

FOLDER = Path(os.environ.get("TENURE_ENGINE_REPLAY", Path(__file__).parents[3] / "shared" / "engine"))
PRESENT = FOLDER.is_dir()
WHY = f"no recorded cases in {FOLDER.name!r} beside the repository (TENURE_ENGINE_REPLAY names another folder)"

_NO_WORDS = "RETURNN states the outputs of a translation data set from other words than those that it gives"

# Cases that do not pass, and why.
KNOWN = {
    "datasets/HDFDataset/order12": "RETURNN's num_outputs does not count the window, its streams do",
    "datasets/TranslationDataset/1": _NO_WORDS,
    "datasets/TranslationDataset/2": _NO_WORDS,
    "datasets/TranslationDataset/5": _NO_WORDS,
    "datasets/TranslationDataset/9": _NO_WORDS,
}
