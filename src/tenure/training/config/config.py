"""A config: values with a Python type, texts without one, and the ways to read them.

A key that a Python or JSON config sets has a *typed* value. A key of a `key value` line, or of the command line before the config is
loaded, is a list of texts, which the reading functions make numbers of. A typed value comes first.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenure.core.errors import brief
from tenure.training.errors import ConfigError

_TRUE, _FALSE = ("true", "yes"), ("false", "no")


@dataclass
class Config:
    """The keys of a config, with RETURNN's reading functions; a config's own code sees it as `config`.

    All reading functions take the key, what to return where the key is not set, and, where a value may be a list, the place in it.
    They raise `ConfigError` where the value is none of what they read.

    Attributes:
      typed: values with a Python type, by key.
      texts: lists of texts, by key.
      asked: the keys that somebody asked for, the config's own code included.
      modules: what its code has imported of RETURNN and TensorFlow.

    >>> config = Config({"batch_size": 100}, {"lengths": ["1", "2"], "chunking": ["50:25"]})
    >>> config.int("batch_size", 0), config.int_list("lengths"), config.int_pair("chunking"), config.value("lengths")
    (100, [1, 2], (50, 25), '1,2')
    """

    typed: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set, repr=False)
    modules: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def has(self, key: str) -> bool:
        """Whether the key is set."""
        self.asked.add(key)
        return key in self.typed or key in self.texts

    def is_typed(self, key: str) -> bool:
        """Whether the key has a value with a Python type."""
        return key in self.typed

    def set(self, key: str, value: Any) -> None:
        """Sets a typed value."""
        self.typed[key] = value

    def update(self, values: Mapping[str, Any]) -> None:
        """Sets typed values."""
        self.typed.update(values)

    def typed_value(self, key: str, default: Any = None, index: int | None = None) -> Any:
        """The value with a Python type, or the default."""
        self.asked.add(key)
        value = self.typed.get(key, default)
        return value if index is None else value[index]

    def opt_typed_value(self, key: str, default: Any = None) -> Any:
        """The value with a Python type, else the text."""
        return self.typed_value(key) if key in self.typed else self.value(key, default)

    def __getitem__(self, key: str) -> Any:
        if not self.has(key):
            raise KeyError(key)
        return self.opt_typed_value(key)

    def get(self, key: str, default: Any = None) -> Any:
        """As a dictionary has it: the typed value, else the text as Python reads it, else the default."""
        return self.opt_typed_value(key, default)

    def value(self, key: str, default: Any = None, index: int | None = None) -> Any:
        """The value as a text."""
        self.asked.add(key)
        if key in self.typed:
            value = self.typed[key]
            if index is not None:
                value = value[index]
            if value is None:
                return default
            return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        if key not in self.texts:
            return default
        return ",".join(self.texts[key]) if index is None else self.texts[key][index]

    def int(self, key: str, default: Any = None, index: builtins.int = 0) -> Any:
        """The value as a whole number."""
        return self._one(key, default, index, int, int)

    def float(self, key: str, default: Any = None, index: builtins.int = 0) -> Any:
        """The value as a number."""
        return self._one(key, default, index, (int, float, str), float)

    def bool(self, key: str, default: Any = None, index: builtins.int = 0) -> Any:
        """The value as yes or no; an empty text says nothing."""
        if key not in self.typed and key in self.texts and self.texts[key][index : index + 1] == [""]:
            return default
        value = self._one(key, default, index, int, _truth)
        return bool(value) if key in self.typed and value is not None else value

    def bool_or_other(self, key: str, default: Any = None, index: builtins.int = 0) -> Any:
        """The value as yes or no where it says so, else as it is."""
        if key in self.typed:
            return _at(self.typed_value(key), index)
        try:
            return self.bool(key, default, index)
        except ConfigError:
            return self.texts[key][index] or default

    def is_true(self, key: str, default: Any = False) -> Any:
        """Whether the value is set to something that counts as true."""
        self.asked.add(key)
        if key in self.typed:
            return bool(self.typed[key])
        return self.bool(key, default)

    def is_of_type(self, key: str, types: Any) -> Any:
        """Whether the key has a typed value of one of these types."""
        return key in self.typed and isinstance(self.typed_value(key), types)

    def list(self, key: str, default: Any = None) -> Any:
        """The values of a list; one value alone is a list of one."""
        self.asked.add(key)
        default = [] if default is None else default
        value = self.typed.get(key, self.texts.get(key))
        if value is None:
            return default
        return list(value) if isinstance(value, list | tuple) else [value]

    def int_list(self, key: str, default: Any = None) -> Any:
        """The values of a list of whole numbers."""
        return self._many(key, default, int, int)

    def float_list(self, key: str, default: Any = None) -> Any:
        """The values of a list of numbers."""
        return self._many(key, default, (int, float), float)

    def int_pair(self, key: str, default: Any = None) -> Any:
        """Two whole numbers: a pair, or "50:25", or one number that stands for both."""
        self.asked.add(key)
        if not self.has(key):
            return default
        if key in self.typed:
            value = self.typed[key]
            pair = (value, value) if isinstance(value, int) else value
            if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(v, int) for v in pair):
                raise self._error(key, value, "a pair of whole numbers")
            return tuple(pair)
        text = self.value(key)
        parts = text.split(":") if ":" in text else [text, text]
        if len(parts) != 2:
            raise self._error(key, text, "a pair of whole numbers such as 50:25")
        return tuple(self._read(key, part, int) for part in parts)

    def _one(self, key: str, default: Any, index: builtins.int, types: Any, read: Callable[[Any], Any]) -> Any:
        self.asked.add(key)
        if key in self.typed:
            value = _at(self.typed[key], index)
            if value is None:
                return None
            if not isinstance(value, types):
                raise self._error(key, value, f"of a type that '{read.__name__}' is asked of")
            return self._read(key, value, read) if isinstance(value, str) else value
        if key not in self.texts:
            return default
        return self._read(key, self.texts[key][index], read)

    def _many(self, key: str, default: Any, types: Any, read: Callable[[Any], Any]) -> Any:
        values = self.list(key)
        if key not in self.typed:
            return [self._read(key, value, read) for value in values] if key in self.texts else default or []
        if self.typed[key] is None:
            return default or []
        if not all(isinstance(value, types) for value in values):
            raise self._error(key, values, "a list of numbers")
        return values

    def _read(self, key: str, text: str, read: Callable[[Any], Any]) -> Any:
        try:
            return read(text)
        except ValueError:
            raise self._error(key, text, f"what '{read.__name__.strip('_')}' can read") from None

    @staticmethod
    def _error(key: str, value: Any, wanted: str) -> ConfigError:
        return ConfigError(f"the key {key!r} is {brief(value)}, and not {wanted}")


def _at(value: Any, index: int) -> Any:
    return value[index] if isinstance(value, list | tuple) else value


def _truth(text: str) -> bool:
    try:
        return bool(int(text))
    except ValueError:
        pass
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(text)
