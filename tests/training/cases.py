"""Where recorded engine cases are: `../shared/engine` beside the repository, or what TENURE_ENGINE_REPLAY says."""

import os
from pathlib import Path

FOLDER = Path(os.environ.get("TENURE_ENGINE_REPLAY", Path(__file__).parents[3] / "shared" / "engine"))
PRESENT = FOLDER.is_dir()
WHY = f"no recorded cases in {FOLDER.name!r} beside the repository (TENURE_ENGINE_REPLAY names another folder)"

KNOWN: dict[str, str] = {}  # cases that do not pass, and why
