"""Networks."""

from tenure.nn import MLP

__all__ = ["MLP"]
