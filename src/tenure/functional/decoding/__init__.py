"""Searches for label sequences, as pure functions of arrays and of functions that score the next label.

All sequences of a batch and all their hypotheses advance together in one `jax.lax.while_loop`, so each search runs under
`jax.jit`. A search knows nothing of the model: a network, a `tenure` model and plain JAX give it the same functions.
"""

from tenure.functional.decoding.beam_search import beam_search
from tenure.functional.decoding.ctc import ctc_search
from tenure.functional.decoding.hypotheses import Decoded, Labels
from tenure.functional.decoding.label_looping import Looped, label_looping
from tenure.functional.decoding.lm import LanguageModel
from tenure.functional.decoding.transducer import transducer_search

__all__ = [
    "Decoded",
    "Labels",
    "LanguageModel",
    "Looped",
    "beam_search",
    "ctc_search",
    "label_looping",
    "transducer_search",
]
