"""Who asks: the module and the line of a request for a parameter or a state."""

from __future__ import annotations

from tenure.core.run.frame import Frame
from tenure.core.sites import call_site
from tenure.core.slots.slot import Slot


def describe(frame: Frame, slot: Slot) -> None:
    """Fills in who asked for a slot, and where."""
    scope = frame.scope
    module = scope.module
    if module is not None:
        birth = module.__dict__["_born"]
        slot.asker, slot.birth = module._asker(), (module, birth)
        site = call_site()
        slot.site = birth.site if site.in_package else site
    else:
        slot.asker, slot.site = "get_parameter", call_site()
        slot.birth = (scope, scope.origin)
    slot.order, slot.stack = next(frame.order), frame.stack_of(slot.path)
