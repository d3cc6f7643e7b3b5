"""Stages: what a weight is, and what happens to it in training. On the owner, once, for all users.

Structural stages say what the weight is: `weight_norm`, `spectral_norm`, `standardise`, `low_rank`, `lora`, `quantise`,
`symmetric`, `triangular`, `orthogonal`, `positive`, `ema`. Stochastic stages disturb it in training: `noise`,
`variational`, `dropout`. Penalties add to the loss: `l2`, `l1`, `tikhonov`.
"""

from tenure.core.notation.stage import Irreversible, Misfit, OnUse, Part, Run, Spec, Stage, define, on_use, parse, read
from tenure.stages.adapters import LoRA, LowRank
from tenure.stages.averages import EMA
from tenure.stages.norms import SpectralNorm, Standardise, WeightNorm
from tenure.stages.penalties import L1, L2, Tikhonov
from tenure.stages.quantised import Quantise
from tenure.stages.shapes import Orthogonal, Positive, Symmetric, Triangular
from tenure.stages.stochastic import Dropout, Noise, Variational

__all__ = [
    "EMA",
    "L1",
    "L2",
    "Dropout",
    "Irreversible",
    "LoRA",
    "LowRank",
    "Misfit",
    "Noise",
    "OnUse",
    "Orthogonal",
    "Part",
    "Positive",
    "Quantise",
    "Run",
    "Spec",
    "SpectralNorm",
    "Stage",
    "Standardise",
    "Symmetric",
    "Tikhonov",
    "Triangular",
    "Variational",
    "WeightNorm",
    "define",
    "on_use",
    "parse",
    "read",
]
