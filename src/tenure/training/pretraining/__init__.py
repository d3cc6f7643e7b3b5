"""Pretraining: networks that grow with the epochs, and parameters that are carried from one to the next."""

from tenure.training.pretraining.plan import Pretraining, Stage

__all__ = ["Pretraining", "Stage"]
