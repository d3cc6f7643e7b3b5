"""Where Haiku shares, or counts, something by accident: what is done instead, and the switch back.

Each setting has Tenure's meaning by default. A program that depends on what Haiku does sets it to "haiku":

>>> import tenure.haiku as hk
>>> with hk.ownership.context(second_request="haiku"):
...     hk.ownership.get("second_request")
'haiku'
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

# name → (Tenure's meaning, what Haiku does)
SETTINGS = {
    # A second `get_parameter` for one name with another dtype or initialiser: an error, or ignored.
    "second_request": ("error", "haiku"),
    # A parameter of a module with a forced name, used in a layer stack: the one outside, or another one per layer.
    "forced_names_in_stacks": ("shared", "haiku"),
    # A parameter used by several modules, in `tabulate` and `eval_summary`: counted for its owner, or for each user.
    "tabulate_shared": ("once", "haiku"),
    # A module built in a raw jax.jit, checkpoint or scan, which a second call shares silently: an error, or allowed.
    "cached_modules": ("error", "haiku"),
}

_changed: contextvars.ContextVar[dict[str, str] | None] = contextvars.ContextVar("tenure_haiku_ownership", default=None)
_defaults: dict[str, str] = {}


def get(name: str) -> str:
    """The meaning in force: Tenure's own word for it, or "haiku"."""
    return (_changed.get() or {}).get(name) or _defaults.get(name) or SETTINGS[name][0]


def _checked(settings: dict[str, str]) -> dict[str, str]:
    for name, value in settings.items():
        if value not in SETTINGS.get(name, ()):
            known = ", ".join(f"{k}={' | '.join(map(repr, v))}" for k, v in SETTINGS.items())
            raise ValueError(f"no setting {name}={value!r}; there are {known}")
    return settings


def set(**settings: str) -> None:
    """Changes settings for the whole program.

    Raises:
      ValueError: there is no such setting.
    """
    _defaults.update(_checked(settings))


@contextlib.contextmanager
def context(**settings: str) -> Iterator[None]:
    """Within, the settings are as given.

    Raises:
      ValueError: there is no such setting.
    """
    token = _changed.set({**(_changed.get() or {}), **_checked(settings)})
    try:
        yield
    finally:
        _changed.reset(token)


def haiku(**others: Any) -> contextlib.AbstractContextManager[None]:
    """Within, everything is as Haiku does it."""
    return context(**dict.fromkeys(SETTINGS, "haiku") | others)
