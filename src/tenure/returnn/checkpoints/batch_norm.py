"""Names of batch normalisation's variables, which RETURNN changed twice (`param_version`).

Version 0: `batch_norm/LAYER_LAYER_output_mean` [1, …, n]; version 1: `batch_norm/mean` [1, …, n]; version 2: `batch_norm/v2_mean` [n].
Newer versions load what older ones wrote; not the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from tenure.returnn.checkpoints.conversion import Conversion, renamed

_VARIABLE = re.compile(r"(?P<layer>.*)/batch_norm/(?P<new>v2_)?(?P<name>beta|gamma|mean|variance)", re.S)


def from_older(missing: Collection[str], free: Collection[str]) -> Iterator[tuple[str, Conversion]]:
    """Variables of version 1 and 2, of those of an older version.

    Args:
      missing: the variables that the file lacks.
      free: the names in the file that are no variable's.
    """
    for variable in missing:
        match = _VARIABLE.fullmatch(variable)
        if not match:
            continue
        scope, name, new = f"{match['layer']}/batch_norm/", match["name"], bool(match["new"])
        older = [n for n in free if n.startswith(scope) and n.endswith(f"_{name}") and len(n) > len(scope + name)]
        older += [scope + name] if new and scope + name in free else []
        if len(older) == 1:
            yield variable, renamed(older[0], flat=new)
