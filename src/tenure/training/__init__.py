"""The training tool: configs, data, learning rates, pretraining, and the engine that trains.

Calling the package is `tn.training(flag)`, the context manager, which Python binds this package's name over once the
package is imported.

>>> import jax.numpy as jnp, tenure as tn, tenure.training
>>> def f(x):
...     with tn.training(False):
...         return tn.nn.dropout(0.5, x)
>>> tn.transform(f).apply({}, None, jnp.ones(2))
Array([1., 1.], dtype=float32)
"""

from __future__ import annotations

import sys
import types
from contextlib import AbstractContextManager

from tenure.core.model.transform import training as _training
from tenure.training.exported import Exported, load_exported
from tenure.training.loss import Loss

__all__ = ["Exported", "Loss", "load_exported"]


class _Package(types.ModuleType):
    def __call__(self, flag: bool) -> AbstractContextManager[None]:
        """As `tn.training`."""
        return _training(flag)


sys.modules[__name__].__class__ = _Package
