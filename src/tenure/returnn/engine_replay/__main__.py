"""`python -m tenure.returnn.engine_replay DIR --topic T --json OUT`: replays recorded engine cases, prints the score."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tenure.returnn.engine_replay.cases import topics
from tenure.returnn.engine_replay.score import Verdict, replay, summary


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tenure.returnn.engine_replay",
        description="Replays recorded engine cases. Cases hold configs, which are Python code, and that code runs.",
    )
    parser.add_argument("folder", type=Path, help="where the topics are")
    parser.add_argument("--topic", action="append", default=[], help="only this topic (several times: these)")
    parser.add_argument("--id", default="", help="only cases with this in their id")
    parser.add_argument("--json", type=Path, help="write all results there")
    parser.add_argument("-v", "--verbose", action="store_true", help="say everything that is wrong with each case")
    parser.add_argument("-q", "--quiet", action="store_true", help="print the summary only")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Replays; returns 0 if all cases pass, 2 if there are none."""
    given = arguments(argv)
    known = topics(given.folder)
    if not known or not set(given.topic) <= set(known):
        wrong = ", ".join(sorted(set(given.topic) - set(known))) or "any"
        print(f"no topic {wrong} in {given.folder} (topics are folders with a cases.jsonl: {', '.join(known)})")
        return 2
    verdicts: list[Verdict] = []
    for topic in given.topic or known:
        for verdict in replay(given.folder, topic, given.id):
            verdicts.append(verdict)
            if not given.quiet:
                _tell(verdict, given.verbose)
    if given.json:
        given.json.write_text(json.dumps(as_json(verdicts), indent=1))
    print(summary(verdicts))
    return 0 if all(v.passed for v in verdicts) else 1


def as_json(verdicts: Sequence[Verdict]) -> dict:
    """The score for programs."""
    rows = [
        {"id": v.id, "topic": v.topic, "passed": v.passed, "problems": v.problems, "seconds": round(v.seconds, 3)}
        for v in verdicts
    ]
    return {"passed": sum(v.passed for v in verdicts), "cases": len(verdicts), "results": rows}


def _tell(verdict: Verdict, verbose: bool) -> None:
    for problem in verdict.problems if verbose else verdict.problems[:1]:
        print(f"{verdict.id}  {problem[:400]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
