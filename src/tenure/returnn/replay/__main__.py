"""`python -m tenure.returnn.replay DIR --json OUT`: replays recorded cases, and prints the score."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tenure.returnn.replay.case import load
from tenure.returnn.replay.check import Verdict, check
from tenure.returnn.replay.report import as_json, out_of_scope, rows, summary


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tenure.returnn.replay", description="Replays recorded cases.")
    parser.add_argument("folder", type=Path, help="where the cases are, or its folder 'cases'")
    parser.add_argument("--json", type=Path, help="write all results there")
    parser.add_argument("--all", action="store_true", help="all cases (the default)")
    parser.add_argument("--only-in-scope", action="store_true", help="leave cases of optimizers out")
    parser.add_argument("--id", action="append", default=[], help="cases with this in their id")
    parser.add_argument("--class", dest="classes", action="append", default=[], help="cases with a layer of this class")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what is wrong with each case")
    parser.add_argument("-q", "--quiet", action="store_true", help="print the summary only")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Replays; returns 0 if all cases pass."""
    given = arguments(argv)
    folder: Path = given.folder / "cases" if (given.folder / "cases").is_dir() else given.folder
    found = rows(folder)
    if not found:
        print(f"{given.folder}: there are no recorded cases; give the folder with their .json files", file=sys.stderr)
        return 2
    verdicts: list[Verdict] = []
    for row in found:
        if given.id and not any(part in row["id"] for part in given.id):
            continue
        if given.classes and not set(given.classes) & set(row.get("classes", ())):
            continue
        if given.only_in_scope and out_of_scope(row):
            continue
        verdict = check(load(folder / row["file"]))
        verdicts.append(verdict)
        if not given.quiet and not verdict.passed:
            _tell(verdict, given.verbose)
    if given.json:
        given.json.write_text(json.dumps(as_json(verdicts), indent=1))
    print(summary(verdicts))
    return 0 if all(v.passed for v in verdicts) else 1


def _tell(verdict: Verdict, verbose: bool) -> None:
    shown = verdict.problems if verbose else verdict.problems[:1]
    for problem in shown:
        print(f"{verdict.id}  {problem[:400]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
