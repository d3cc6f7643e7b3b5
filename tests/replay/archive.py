"""The repository's own archive of recorded cases: how it is made, and how it is read.

    python -m tests.replay.archive ../shared/replay/cases

chooses cases from a folder so that every layer class, every group of options that occurs in one layer, and every flag
occurs, small cases first, and writes `tests/replay/cases.tar.xz`. Tests read it where the folder is absent.
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import lzma
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

ARCHIVE = Path(__file__).with_name("cases.tar.xz")
LIMIT = 4_000_000  # bytes of the archive
BIG = 120_000  # bytes of a case's files; bigger ones are taken only for what occurs nowhere else


def features(row: Mapping[str, Any], net: Any) -> set[Any]:
    """What a case has: its flags, and for each layer its class, each of its options, and all of them together."""
    found: set[Any] = {("flag", flag) for flag in row.get("flags", ())} | {("kind", row.get("kind") or "values")}
    for options in layers(net):
        names = frozenset(options) - {"class", "from"}
        found |= {("class", options["class"]), ("group", options["class"], names)}
        found |= {("option", options["class"], name) for name in names}
    return found


def layers(net: Any) -> Iterator[Mapping[str, Any]]:
    """All layers of a dictionary, those of sub-networks and loops included."""
    if isinstance(net, Mapping):
        if isinstance(net.get("class"), str):
            yield net
        for value in net.values():
            yield from layers(value)
    elif isinstance(net, list):
        for value in net:
            yield from layers(value)


def chosen(folder: Path) -> list[dict[str, Any]]:
    """Rows of cases that together have all features: those with most new ones for their size first."""
    rows = json.loads((folder / "index.json").read_text())
    wanted = {row["id"]: features(row, json.loads((folder / row["file"]).read_text())["net_dict"]) for row in rows}
    sizes = {row["id"]: sum(f.stat().st_size for f in files(folder, row)) for row in rows}
    missing, found, left = set().union(*wanted.values()), [], list(rows)
    while missing:

        def worth(row: dict[str, Any], missing: set[Any] = missing) -> float:
            new = len(wanted[row["id"]] & missing)
            return new / (2_000 + sizes[row["id"]] * (1 if sizes[row["id"]] < BIG else 10))

        best = max(left, key=worth)
        left.remove(best)
        missing = missing - wanted[best["id"]]
        found.append(best)
    return sorted(found, key=lambda row: row["id"])


def files(folder: Path, row: Mapping[str, Any]) -> list[Path]:
    """The files of a case."""
    path = folder / row["file"]
    return [p for p in (path, path.with_suffix(".npz")) if p.exists()]


def write(folder: Path, target: Path = ARCHIVE) -> int:
    """Writes the archive, and returns the number of its cases. The same cases give the same bytes."""
    rows = chosen(folder)
    contents = {"index.json": json.dumps(rows, separators=(",", ":")).encode()}
    for row in rows:
        for path in files(folder, row):
            contents[path.name] = _plain(path) if path.suffix == ".npz" else path.read_bytes()
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in sorted(contents.items(), key=lambda item: (Path(item[0]).suffix, item[0])):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    packed = lzma.compress(raw.getvalue(), preset=9 | lzma.PRESET_EXTREME)
    if len(packed) > LIMIT:
        raise SystemExit(f"the archive would have {len(packed):,} bytes, more than {LIMIT:,}")
    temporary = target.with_suffix(".tmp")
    temporary.write_bytes(packed)
    temporary.replace(target)
    return len(rows)


def _plain(path: Path) -> bytes:
    """The arrays without compression of their own: the archive compresses all of them together."""
    out = io.BytesIO()
    with np.load(path) as arrays:
        np.savez(out, **{name: arrays[name] for name in arrays.files})
    return out.getvalue()


@functools.cache
def unpacked() -> Path:
    """A folder with the archive's cases, which lives as long as the process."""
    folder = tempfile.TemporaryDirectory(prefix="tenure-cases-")
    _KEPT.append(folder)
    with tarfile.open(ARCHIVE) as tar:
        tar.extractall(folder.name, filter="data")
    return Path(folder.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def main() -> None:
    """Makes the archive."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="recorded cases with their index.json")
    arguments = parser.parse_args()
    count = write(arguments.folder)
    print(f"{ARCHIVE.name}: {count} cases, {ARCHIVE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
