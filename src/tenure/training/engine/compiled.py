"""The folder where compiled programs are kept, so that the next run of a config starts at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from tenure.core.errors import brief
from tenure.training.errors import ConfigError

_LEAST = 0.1  # seconds of compiling, below which a program is not worth a file


def cache_folder() -> Path:
    """The folder "tenure/compiled" in the user's folder for caches, as the system has it.

    >>> cache_folder().parts[-2:]
    ('tenure', 'compiled')
    """
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "tenure" / "compiled"


def keep_compiled(config: Mapping[str, Any]) -> Path | None:
    """Has JAX keep compiled programs, as the key `compile_cache` says: a folder; False for none; by default `cache_folder()`.

    Where the user has told JAX itself (JAX_COMPILATION_CACHE_DIR), that counts. A folder that cannot be made is no error.

    Returns:
      The folder, or None.

    Raises:
      ConfigError: the value is no folder's name.
    """
    given = config.get("compile_cache", True)
    if given in (False, None) or jax.config.jax_compilation_cache_dir:  # type: ignore[attr-defined]
        return None
    if given is not True and not isinstance(given, str):
        raise ConfigError(f"compile_cache is {brief(given)}", ways=["a folder", "False"])
    folder = cache_folder() if given is True else Path(given)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    if not os.access(folder, os.W_OK):
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _LEAST)
    return folder
