"""Runs the cases of topics, and counts those that pass."""

from __future__ import annotations

import importlib
import importlib.util
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tenure.core.errors import TenureError
from tenure.returnn.engine_replay.cases import Case, cases

Check = Callable[[Case], list[str]]


@dataclass(frozen=True)
class Verdict:
    """The result of one case: the problems, none if it passes, and the seconds it took."""

    id: str
    topic: str
    problems: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether everything was as recorded."""
        return not self.problems


def checker(topic: str) -> Check | None:
    """The function that checks cases of a topic, or None for a topic that has none."""
    name = f"tenure.returnn.engine_replay.topics.{topic}"
    if not topic.isidentifier() or importlib.util.find_spec(name) is None:
        return None
    return importlib.import_module(name).check


def replay(root: Path, topic: str, part: str = "") -> Iterator[Verdict]:
    """Checks the cases of a topic, or those with `part` in their id."""
    check = checker(topic)
    for case in cases(root, topic):
        if part not in case.id:
            continue
        started = time.perf_counter()
        problems = [f"topic {topic!r} is not replayed"] if check is None else _problems(check, case)
        yield Verdict(case.id, topic, tuple(problems), time.perf_counter() - started)


def _problems(check: Check, case: Case) -> list[str]:
    try:
        return check(case)
    except TenureError as error:
        return [f"{type(error).__name__}: {error}"]
    except Exception as error:  # a defect of ours: one case must not end the replay of the others
        place = traceback.extract_tb(error.__traceback__)[-1]
        return [f"defect: {type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"]


def summary(verdicts: Iterable[Verdict]) -> str:
    """The score by topic, and last how many cases pass."""
    verdicts = list(verdicts)
    lines = []
    for topic in dict.fromkeys(v.topic for v in verdicts):
        own = [v for v in verdicts if v.topic == topic]
        lines.append(
            f"{topic:<12}{sum(v.passed for v in own):>6} of {len(own):<6}{sum(v.seconds for v in own):>8.1f} s"
        )
    return "\n".join([*lines, "", f"engine: {sum(v.passed for v in verdicts)} of {len(verdicts)} cases pass"])
