"""What can be written down about a model, as data: paths of slots, references, views, stages.

In comes what a program or a config spells (`"embed/w | transpose"`, `["noise", {"std": 0.1}]`), out come frozen objects
that print as they were written and convert to JSON and back. Nothing here knows a model, or holds a value.
"""

from tenure.core.notation import views  # registers the views, so that every reference can be read

__all__ = ["views"]
