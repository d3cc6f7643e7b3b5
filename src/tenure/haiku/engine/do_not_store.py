"""The value that is not kept."""

from __future__ import annotations

from typing import NoReturn


class DoNotStore:
    """What a creator, an initialiser or a setter returns to keep a value out of the parameters or the state."""

    @property
    def shape(self) -> NoReturn:
        raise ValueError("DO_NOT_STORE does not have a shape.")

    @property
    def dtype(self) -> NoReturn:
        raise ValueError("DO_NOT_STORE does not have a dtype.")

    def __repr__(self) -> str:
        return "DO_NOT_STORE"


DO_NOT_STORE = DoNotStore()
