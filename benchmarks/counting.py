"""How big is a traced, lowered or compiled function?"""

from __future__ import annotations

import re
from typing import Any

from jax.extend import core

_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?[\w.\-]+ = \S.*? ([\w\-]+)\(", re.MULTILINE)
#: Instructions that name a value, rather than compute one.
_NAMES = frozenset({"parameter", "constant", "tuple", "get-tuple-element", "bitcast"})


def count_equations(jaxpr: Any) -> int:
    """Equations of a jaxpr and of all the jaxprs in it (bodies of scan, pjit, custom_jvp_call, ...)."""
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    return sum(1 + sum(map(count_equations, core.jaxprs_in_params(e.params))) for e in jaxpr.eqns)


def count_operations(hlo: str) -> int:
    """Instructions of an optimised HLO module that compute something, those inside fusions included."""
    return sum(m.group(1) not in _NAMES for m in _INSTRUCTION.finditer(hlo))


def flops(compiled: Any) -> float:
    """What XLA says the compiled function costs (a loop's body is counted once)."""
    analysis = compiled.cost_analysis()
    return float((analysis[0] if isinstance(analysis, list) else analysis)["flops"])


def temporary_bytes(compiled: Any) -> int:
    """What the compiled function allocates beside its arguments and results."""
    return int(compiled.memory_analysis().temp_size_in_bytes)
