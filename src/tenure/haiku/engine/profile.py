"""The Haiku profile: what the core asks the running frame's front end."""

from __future__ import annotations

import jax

from tenure.core.run import module as core_module
from tenure.core.run.frame import Frame, current_frame, maybe_frame
from tenure.core.sites import Site
from tenure.haiku import config, ownership
from tenure.haiku.engine.frames import HaikuFrame, check_usage, usage_error
from tenure.haiku.engine.keys import missing_key
from tenure.haiku.engine.naming import check_name, name_scope, snake_case, unique_name
from tenure.haiku.engine.parameters import (
    absent_value,
    check_answer,
    check_outlived,
    check_stored,
    first_answer,
    first_state,
    is_repeated,
    planned_state,
    planned_value,
    slot_path,
)


def maybe_next_rng_key() -> jax.Array | None:
    """The next key of the running sequence, or None."""
    frame = maybe_frame()
    assert isinstance(frame, HaikuFrame)
    if frame.rng is None:
        return None
    check_usage(frame, "next_rng_key")
    return next(frame.rng)


def next_rng_keys(num: int) -> jax.Array:
    """The next `num` keys, stacked."""
    frame = current_frame("next_rng_keys")
    assert isinstance(frame, HaikuFrame)
    check_usage(frame, "next_rng_keys")
    if frame.rng is None:
        raise missing_key()
    return jax.numpy.stack(frame.rng.take(num))


def check_cached(frame: Frame, cls: type, site: Site) -> None:
    """Raises if a module is built where JAX would skip its constructor when the code runs again."""
    if config.get_config().check_jax_usage:
        raise usage_error(cls.__name__)
    if ownership.get("cached_modules") == "error":
        switch = "hk.ownership.set(cached_modules='haiku'), which shares them"
        core_module.check_cached(frame, cls, site, "hk", switch)


def library() -> str:
    """What programs call the library."""
    return "hk"


def called(frame: HaikuFrame, path: str) -> None:
    """Notes that a module was called, for those callers that can not tell from its name."""
    for scope in frame.scopes:
        if scope.path and scope.path != path and not path.startswith(scope.path + "/"):
            frame.called_by.setdefault(scope.path, set()).add(path)


__all__ = [
    "absent_value",
    "called",
    "check_answer",
    "check_cached",
    "check_name",
    "check_outlived",
    "check_stored",
    "first_answer",
    "first_state",
    "is_repeated",
    "library",
    "maybe_next_rng_key",
    "missing_key",
    "name_scope",
    "next_rng_keys",
    "planned_state",
    "planned_value",
    "slot_path",
    "snake_case",
    "unique_name",
]
