"""Signal processing as functions of arrays: transforms, windows, filter banks."""

from tenure.network.signal.gammatone import gammatone_filters
from tenure.network.signal.transforms import dct, inverse_stft, mel_filters, stft, taper

__all__ = ["dct", "gammatone_filters", "inverse_stft", "mel_filters", "stft", "taper"]
