"""Damaged files in all formats: `python -m tests.stress.damaged_files --times 10000 [--seed 0] [--format NAME]`.

Each file must end in a `TenureError` that names the file, or load right. Nothing may crash, hang, run anything, or take memory
without bound. "Right" is

- what was written, in formats with checksums, unless the damage was put under new checksums;
- what the bytes say, in formats without: where only values were hit, exactly these values differ.

Files are read in processes that the command watches: a crash or a file that takes over five minutes is found and counted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from tests.stress import damages
from tests.stress.whole_files import CHECKED, SLOW, Whole, place, read, whole_files

SECONDS, MEMORY = 300, 1 << 30  # for one file
SHARE = 25  # of so many files, one is in a format whose reader takes long
_FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect", "os.putenv")
_running: list[str] = []


def case(number: int, seed: int, wholes: list[Whole]) -> tuple[Whole, str, dict[str, bytes]]:
    """A damaged file: of what, how, and its files."""
    draw = random.Random(f"{seed}/{number}")
    slow = [w for w in wholes if w.format in SLOW]
    fast = [w for w in wholes if w.format not in SLOW]
    whole = draw.choice(slow if slow and (not fast or number % SHARE == 0) else fast)
    damage = draw.choice(damages.damages(whole.format))
    files = dict(whole.files)
    name = draw.choice([n for n in files if files[n]])
    files[name] = damage(draw, files[name])
    return whole, damage.__name__, files


def check(number: int, seed: int, wholes: list[Whole], folder: Path) -> str:
    """Reads a damaged file. Returns "refused" or "loaded".

    Raises:
      AssertionError: what is wrong with how it was read.
    """
    from tenure.core.errors import TenureError

    whole, damage, files = case(number, seed, wholes)
    path = place(whole, files, folder)
    _running.clear()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        signal.alarm(SECONDS)
        found = read(path, whole.format)
    except TenureError as error:
        names = [path.name, *files, folder.name]
        assert any(Path(n).name in str(error) for n in names), f"no file is named: {error}"
        found = None
    finally:
        signal.alarm(0)
    own = whole.format == "keras"  # which is read in a process of its own
    assert own or not _running, f"it ran {_running}"
    assert not Path(damages.MARK).exists() and not (folder / damages.MARK).exists(), "something was executed"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert grown < MEMORY // 2, f"it took {grown:,} bytes"
    if found is None:
        return "refused"
    _check_values(whole, damage, files, found)
    return "loaded"


def _check_values(whole: Whole, damage: str, files: dict[str, bytes], found: dict[str, np.ndarray]) -> None:
    if whole.format in CHECKED and damage not in ("members", "hostile", "bomb"):
        expected = whole.values
    else:
        predicted = _predicted(whole, files)
        if predicted is None:
            return
        expected = predicted
    assert found.keys() == expected.keys(), f"other names: {sorted(found.keys() ^ expected.keys())[:4]}"
    for name, value in expected.items():
        same = found[name].dtype == value.dtype and found[name].shape == value.shape
        assert same and found[name].tobytes() == value.tobytes(), f"'{name}' is another array"


def _predicted(whole: Whole, files: dict[str, bytes]) -> dict[str, np.ndarray] | None:
    """What the changed bytes say, if they are all among the values of tensors that the files have once, as they are; else None."""
    places = {name: _place(whole, value.tobytes()) for name, value in whole.values.items()}
    values = dict(whole.values)
    for file, old in whole.files.items():
        new = files[file]
        if len(new) != len(old):
            return None
        covered: set[int] = set()
        changed = {i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b}
        for name, value in whole.values.items():
            where, at = places[name]
            inside = {i for i in changed if at <= i < at + value.nbytes} if where == file else set()
            if inside:
                values[name] = np.frombuffer(new[at : at + value.nbytes], value.dtype).reshape(value.shape)
                covered |= inside
        if changed - covered:
            return None
    return values


def _place(whole: Whole, raw: bytes) -> tuple[str, int]:
    """The file and the byte where some values are, or ("", 0) if they are not there just once."""
    found = [(name, data.find(raw)) for name, data in whole.files.items() for _ in range(data.count(raw))]
    return found[0] if len(raw) >= 12 and len(found) == 1 else ("", 0)


def work(first: int, last: int, seed: int, formats: list[str]) -> None:
    """Reads some files, and prints a line before and after each."""
    sys.addaudithook(lambda event, _: _running.append(event) if event.startswith(_FORBIDDEN) else None)
    with tempfile.TemporaryDirectory() as place_of_all:
        os.chdir(place_of_all)
        wholes = [w for w in whole_files(Path("whole")) if not formats or w.format in formats]
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + 4 * MEMORY, resource.RLIM_INFINITY))
        for number in range(first, last):
            print(json.dumps({"start": number}), flush=True)
            try:
                result: dict[str, Any] = {"done": number, "as": check(number, seed, wholes, Path("damaged"))}
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                whole, damage, _ = case(number, seed, wholes)
                where = traceback.extract_tb(error.__traceback__)[-1]
                said = f"{type(error).__name__}: {str(error)[:300]} ({Path(where.filename).name}:{where.lineno})"
                result = {"done": number, "as": "wrong", "what": f"{whole.name}, {damage}: {said}"}
            print(json.dumps(result), flush=True)


def run(times: int, seed: int = 0, formats: list[str] | None = None, first: int = 0, tell: bool = True) -> Counter[str]:
    """Reads so many damaged files in processes of their own; counts how they ended, and prints what went wrong."""
    counts: Counter[str] = Counter()
    number, end = first, first + times
    while number < end:
        command = [
            sys.executable,
            "-m",
            "tests.stress.damaged_files",
            "--worker",
            f"{number}:{end}",
            "--seed",
            str(seed),
        ]
        command += [part for name in formats or [] for part in ("--format", name)]
        started = number
        environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            for line in process.stdout or ():
                if not line.startswith("{"):
                    continue
                said = json.loads(line)
                if "start" in said:
                    started = said["start"]
                    continue
                number = said["done"] + 1
                counts[said["as"]] += 1
                if "what" in said:
                    print(f"file {said['done']}: {said['what']}", flush=True)
                if tell and number % 1000 == 0:
                    print(f"{number:,} files: {dict(counts)}", flush=True)
        status = process.returncode
        if number < end:
            if status == 0 or started < number:
                raise SystemExit(f"the process of file {number} ended with {status} before it read a file")
            print(f"file {started}: the process ended with {status}", flush=True)
            counts["wrong"] += 1
            number = started + 1
    return counts


def main(argv: list[str] | None = None) -> int:
    """The command line; returns 0 if nothing went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.damaged_files", description=__doc__.split("\n")[0])
    parser.add_argument("--times", type=int, default=10_000, help="how many files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the first file's number")
    parser.add_argument("--format", action="append", default=[], help="this format only (several times: these)")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.worker:
        first, last = map(int, given.worker.split(":"))
        work(first, last, given.seed, given.format)
        return 0
    counts = run(given.times, given.seed, given.format, given.first)
    print(
        f"{sum(counts.values()):,} damaged files: {counts['refused']:,} refused, {counts['loaded']:,} loaded right, {counts['wrong']:,} wrong"
    )
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
