"""What can be wrong with a training. Each message names the key, the data set or the file, and the ways out."""

from __future__ import annotations

from tenure.core.errors import TenureError


class TrainingError(TenureError):
    """A training that cannot start or cannot go on."""


class ConfigError(TrainingError):
    """A config that cannot be read, or a key with a value that cannot be used."""


class DataSetError(TrainingError):
    """A data set that cannot be read, or an option that it does not take."""


class OrderError(DataSetError):
    """An order of sequences that is unknown, or that cannot be made for this data."""


class BatchError(TrainingError):
    """Options for batches that cannot be used, or sequences that do not fit them."""


class LearningRateError(ConfigError):
    """Options of learning-rate control that cannot be used, or a learning-rate file that cannot be read."""
