"""Recorded cases of RETURNN's networks, replayed: `python -m tenure.returnn.replay DIR`.

A case is a dictionary of layers with its inputs and parameters, and what RETURNN computed from them.
"""

from tenure.returnn.replay.case import Case, load
from tenure.returnn.replay.check import Verdict, check

__all__ = ["Case", "Verdict", "check", "load"]
