"""Replays cases recorded from RETURNN's engine: orders, batches, learning rates, data sets, configs, whole trainings.

One module of `topics/` per topic, named like the topic's folder, with one function `check(case) -> list of problems`.
"""

from tenure.returnn.engine_replay.cases import Case, cases
from tenure.returnn.engine_replay.score import Verdict, replay, summary

__all__ = ["Case", "Verdict", "cases", "replay", "summary"]
