"""The modules that RETURNN's configs import, while a config is loaded.

They are there for the time of loading only, whether or not TensorFlow or RETURNN are installed: `import tensorflow as tf`, `from TFUtil
import where_bc`, `from returnn.config import get_global_config`. A name that Tenure cannot give is a placeholder, and using it is an
error that says what to do instead; importing it is not, as many configs import more than they use.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from tenure.training.config.config import Config
from tenure.training.config.names import ROOTS, members
from tenure.training.config.unavailable import Unavailable


class Provided(ModuleType):
    """A module of which Tenure gives what it can; every other name is a placeholder."""

    def __init__(self, name: str, members: Mapping[str, Any]):
        super().__init__(name)
        self.__path__: list[str] = []
        self.__dict__.update(members)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Unavailable(f"{self.__name__}.{name}")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, config: Config):
        self.config = config

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in ROOTS:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return Provided(spec.name, members(spec.name, self.config))

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: the module has its names already."""


@contextmanager
def importing(config: Config) -> Iterator[None]:
    """Lets imports of RETURNN's and TensorFlow's modules find what Tenure gives; afterwards everything is as before.

    Args:
      config: what `returnn.config.get_global_config()` gives.
    """
    hidden = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in ROOTS}
    for name in hidden:
        del sys.modules[name]
    finder = _Finder(config)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] in ROOTS]:
            del sys.modules[name]
        sys.modules.update(hidden)
