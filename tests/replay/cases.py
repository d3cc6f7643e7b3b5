"""Where recorded cases are: `../shared/replay/cases` beside the repository, or what TENURE_REPLAY says."""

import functools
import json
import os
from pathlib import Path

from tenure.returnn.replay.report import out_of_scope, rows

FOLDER = Path(os.environ.get("TENURE_REPLAY", Path(__file__).parents[3] / "shared" / "replay" / "cases"))
PRESENT = FOLDER.is_dir()
WHY = f"no recorded cases in {FOLDER.name!r} beside the repository (TENURE_REPLAY names another folder)"

# Cases that do not pass, and why.
KNOWN = {
    "extra::layer_twod_lstm#0": "RETURNN has no such layer without a GPU, and the case is recorded without its parameters; here it is computed",
    "test_TFNetworkLayer.py::test_MergeDimsLayer_SplitBatchTimeLayer_time_major#0": "its layer 'input' is no part of the dictionary: the test made it by hand",
    "test_TFNetworkLayer.py::test_reduce_repeat_1102#0": "one dim has the lengths of an input and, after 'repeat', others: the recorded input contradicts itself",
    "test_TFNetworkRecLayer.py::test_subnet_keep_over_epoch_state_vars_saveable_params#0": "it starts from a state that earlier runs left, which was not recorded",
}


@functools.cache
def in_scope() -> tuple[dict, ...]:
    """Rows of the cases without loops, searches and optimizers."""
    if not PRESENT:
        return ()
    found = []
    for row in rows(FOLDER):
        data = json.loads((FOLDER / row["file"]).read_text())
        if not out_of_scope(row, data):
            found.append(row)
    return tuple(found)
