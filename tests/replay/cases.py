"""Where recorded cases are: `../shared/replay/cases` beside the repository, or what TENURE_REPLAY says; where there is no
such folder, the repository's own archive of them."""

import functools
import os
from pathlib import Path

from tenure.returnn.replay.report import out_of_scope, rows
from tests.replay.archive import unpacked

BESIDE = Path(os.environ.get("TENURE_REPLAY", Path(__file__).parents[3] / "shared" / "replay" / "cases"))
WHOLE = BESIDE.is_dir()
FOLDER = BESIDE if WHOLE else unpacked()

# Cases that do not pass, and why.
KNOWN = {
    "test_TFNetworkLayer.py::test_specaugment_pure_returnn#0": "its outputs are the states of TensorFlow's generators of random numbers, which differ from JAX's",
    "test_TFNetworkLayer.py::test_MergeDimsLayer_SplitBatchTimeLayer_time_major#0": "its layer 'input' is no part of the dictionary: the test made it by hand",
    "test_TFNetworkLayer.py::test_reduce_repeat_1102#0": "one dim has the lengths of an input and, after 'repeat', others: the recorded input contradicts itself",
    "test_TFNetworkRecLayer.py::test_reclayer_optimize_out_dot#2": "it is a part of a network: the layers outside of the loop that it names are no part of the dictionary",
    "test_TFNetworkRecLayer.py::test_reclayer_optimize_out_dot_consistent_axes#2": "it is a part of a network: the layers outside of the loop that it names are no part of the dictionary",
    "test_TFNetworkRecLayer.py::test_reclayer_optimize_out_dot_consistent_axes_enc_dec#2": "it is a part of a network: the layers outside of the loop that it names are no part of the dictionary",
    "test_TFNetworkRecLayer.py::test_reclayer_optimize_out_dot_kv_in_rec#2": "it is a part of a network: the layers outside of the loop that it names are no part of the dictionary",
    "test_TFNetworkRecLayer.py::test_reclayer_optimize_out_softmax_over_spatial#2": "it is a part of a network: the layers outside of the loop that it names are no part of the dictionary",
    "test_TFNetworkRecLayer.py::test_reclayer_optimize_out_softmax_over_spatial_rev_dot#2": "it is a part of a network: the layers outside of the loop that it names are no part of the dictionary",
    "test_TFNetworkRecLayer.py::test_self_attention_placeholder_state#0": "its layer 'placeholder' is no part of the dictionary: the test made it by hand",
    "test_TFNetworkRecLayer.py::test_self_attention_placeholder_state#1": "its layer 'placeholder' is no part of the dictionary: the test made it by hand",
    "test_TFNetworkRecLayer.py::test_reclayer_inner_nativelstm1#2": "RETURNN has no single step of this cell; here there is one",
    "test_TFNetworkRecLayer.py::test_reclayer_time_sync_target_diff#0": "a mean over everything, moved out of the loop, is one mean of all steps in RETURNN, and the sum of one for each step here, as in the loop",
    "test_TFNetworkRecLayer.py::test_reclayer_time_sync_target_diff#1": "RETURNN refuses a target with a time dim of its own, which nothing but its labels' dim is taken of",
    "test_TFNetworkRecLayer.py::test_SplitLayer_move_out_as_output_layer#0": "layers that depend on nothing but their own step before: RETURNN gives them no batch, here they have one",
    "test_TFNetworkRecLayer.py::test_subnet_keep_over_epoch_state_vars_saveable_params#0": "it starts from a state that earlier runs left, which was not recorded",
}


@functools.cache
def in_scope() -> tuple[dict, ...]:
    """Rows of the cases without optimizers."""
    return tuple(row for row in rows(FOLDER) if not out_of_scope(row))
