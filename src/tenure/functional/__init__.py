"""What layers compute: pure functions of arrays, shared by `nn`, by networks as data and by the Haiku profile.

In come arrays and sizes, out go arrays. Nothing here knows of modules, parameters' names or dims; where the libraries'
definitions differ, an argument says which one is meant.
"""

from tenure.functional.ahead import while_loop
from tenure.functional.attention import attend, attention_weights, softmax_of, with_weights
from tenure.functional.cells import GATES, gru, gru_reset_after, lstm, lstm_cells
from tenure.functional.conv import convolve
from tenure.functional.dropout import dropped
from tenure.functional.largest import top_k
from tenure.functional.linear import affine
from tenure.functional.loop import scan
from tenure.functional.norm import moments, normalised, standardised
from tenure.functional.pool import pooled
from tenure.functional.positions import sines_and_cosines
from tenure.functional.recurrence import differentiated_as, in_chunks, recurrence
from tenure.functional.transducer import transducer_loss

__all__ = [
    "GATES",
    "affine",
    "attend",
    "attention_weights",
    "convolve",
    "differentiated_as",
    "dropped",
    "gru",
    "gru_reset_after",
    "in_chunks",
    "lstm",
    "lstm_cells",
    "moments",
    "normalised",
    "pooled",
    "recurrence",
    "scan",
    "sines_and_cosines",
    "softmax_of",
    "standardised",
    "top_k",
    "transducer_loss",
    "while_loop",
    "with_weights",
]
