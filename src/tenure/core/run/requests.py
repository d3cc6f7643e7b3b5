"""Requests as the running function makes them: who asks, and where, is noted here."""

from __future__ import annotations

from typing import Any

from tenure.core.run.frame import Frame
from tenure.core.run.hooks import GetterContext
from tenure.core.sites import call_site
from tenure.core.slots.requests import Maker
from tenure.core.slots.slot import Request


def request(frame: Frame, path: str, shape: Any, dtype: Any, **more: Any) -> Request:
    """The request for a slot that the running code makes.

    Args:
      frame: the run.
      path: the slot's.
      shape, dtype: what is asked for.
      **more: further attributes of `Request`.
    """
    module, site = frame.scope.module, call_site()
    asker = "get_parameter"
    if module is not None:
        asker = module._asker()
        site = module.__dict__["_construction"].site if site.in_package else site
    order, stack = next(frame.order), frame.stack_of(path)
    return Request(path, shape, dtype, asker=asker, site=site, order=order, stack=stack, **more)


def maker(frame: Frame) -> Maker:
    """The module, or the name scope, that asks, and how it was built."""
    scope = frame.scope
    if scope.module is not None:
        return scope.module, scope.module.__dict__["_construction"]
    return scope, scope.origin


def context(frame: Frame, path: str, shape: Any, dtype: Any, init: Any) -> GetterContext:
    """What creators and getters are told about a request of the running code."""
    return GetterContext(path, frame.scope.module, dtype, shape, init, frame.lifted_prefix)
