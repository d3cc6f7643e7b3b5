"""Ways to damage a file: by chance, and on purpose."""

from __future__ import annotations

import io
import json
import pickle
import pickletools
import random
import struct
import zipfile
from collections.abc import Callable

ABSURD = [0, 1, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1]
MARK = "executed"  # the file that hostile pickles try to make

Damage = Callable[[random.Random, bytes], bytes]


def flip(draw: random.Random, data: bytes) -> bytes:
    """One to eight flipped bits."""
    changed = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def cut(draw: random.Random, data: bytes) -> bytes:
    """The end is missing."""
    return data[: draw.randrange(len(data))]


def behead(draw: random.Random, data: bytes) -> bytes:
    """The start is missing."""
    return data[draw.randrange(1, len(data) + 1) :]


def swap(draw: random.Random, data: bytes) -> bytes:
    """Two pieces have changed places."""
    a, b, c, d = sorted(draw.randrange(len(data) + 1) for _ in range(4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def lose(draw: random.Random, data: bytes) -> bytes:
    """A piece in the middle is missing."""
    a, b = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    return data[:a] + data[min(b, a + 64) :]


def repeat(draw: random.Random, data: bytes) -> bytes:
    """A piece is there twice."""
    a, b = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    return data[:b] + data[a:b] + data[b:]


def noise(draw: random.Random, data: bytes) -> bytes:
    """A piece is random."""
    a = draw.randrange(len(data))
    size = draw.randint(1, 32)
    return data[:a] + draw.randbytes(size) + data[a + size :]


def absurd(draw: random.Random, data: bytes) -> bytes:
    """A number of some width is absurd: a size, a shape, an offset."""
    form = draw.choice(["<B", "<H", "<I", "<Q", ">H", ">I", ">Q"])
    width = struct.calcsize(form)
    at = draw.randrange(max(1, min(len(data), 4096)))
    number = draw.choice(ABSURD) & ((1 << 8 * width) - 1)
    return data[:at] + struct.pack(form, number) + data[at + width :]


def edit(draw: random.Random, data: bytes) -> bytes:
    """Text or digits in it are others: in headers of JSON and of numpy, in names."""
    places = [i for i, byte in enumerate(data[:8192]) if 48 <= byte <= 57 or byte in b'"[]{}(),:']
    if not places:
        return flip(draw, data)
    at = draw.choice(places)
    new = draw.choice(
        [b"-1", b"99999999999999999999", b"0", b"1e9", b"null", b'"', b"]", b"[", b"{}", b"(((", b"\xff", b""]
    )
    return data[:at] + new + data[at + 1 :]


def header(draw: random.Random, data: bytes) -> bytes:
    """A safetensors header that is JSON and has the right length, with an entry that makes no sense."""
    try:
        size = int.from_bytes(data[:8], "little")
        table = json.loads(data[8 : 8 + size])
    except ValueError:
        return absurd(draw, data)
    name = draw.choice([n for n in table if n != "__metadata__"])
    entry = table[name]
    bad = draw.choice([[-1], [2**62, 4], [2**70], ["3"], [3.5], None, {}, [], [0], [10**9] * 5, [True]])
    what = draw.choice(["shape", "data_offsets", "dtype", "name", "gone", "twice", "metadata"])
    if what in ("shape", "data_offsets"):
        entry[what] = bad
    elif what == "dtype":
        entry["dtype"] = draw.choice(["F99", 3, None, "F64", "U8"])
    elif what == "gone":
        entry.pop(draw.choice(list(entry)))
    elif what == "metadata":
        table["__metadata__"] = draw.choice([{"a": "b"}, {"a": 1}, [], {"x": "y", "y": "x"}, {name: "?"}])
    else:
        table["other"] = dict(entry)
    text = json.dumps(table).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


class Hostile:
    """What a pickle calls when Python reads it."""

    def __init__(self, call):
        self.call = call

    def __reduce__(self):
        return self.call


def hostile_pickle(draw: random.Random) -> bytes:
    """A pickle that calls something, refers to itself, or asks for memory without bound."""
    import builtins
    import os

    calls = [
        (os.system, (f"touch {MARK}",)),
        (builtins.eval, (f"open({MARK!r}, 'w')",)),
        (builtins.exec, (f"open({MARK!r}, 'w')",)),
        (builtins.open, (MARK, "w")),
        (builtins.getattr, ("text", "format")),
        (bytearray, (10**12,)),
    ]
    kind = draw.randrange(9)
    if kind < 4:
        return pickle.dumps({"w": Hostile(draw.choice(calls))}, draw.randint(0, 5))
    if kind == 4:  # a list of itself
        return pickle.EMPTY_LIST + pickle.BINPUT + b"\0" + pickle.BINGET + b"\0" + pickle.APPEND + pickle.STOP
    if kind == 5:  # a memo of four billion entries
        return pickle.NONE + pickle.LONG_BINPUT + b"\xff\xff\xff\xff" + pickle.STOP
    if kind == 6:  # 2^60 leaves, or a key that takes as long to hash
        doubled = pickle.EMPTY_TUPLE + (pickle.DUP + pickle.TUPLE2) * 60
        whole = pickle.EMPTY_DICT + doubled + pickle.NONE + pickle.SETITEM
        return draw.choice([doubled, whole]) + pickle.STOP
    if kind == 7:  # bytes of an absurd length
        return pickle.BINBYTES8 + struct.pack("<Q", draw.choice([2**40, 2**63 - 1])) + b"abc" + pickle.STOP
    names = list(pickletools.opcodes)
    return b"".join(draw.choice(names).code.encode("latin-1") + draw.randbytes(draw.randrange(4)) for _ in range(40))


def hostile(draw: random.Random, data: bytes) -> bytes:
    """A hostile pickle in place of a pickle: alone, or as a member of an archive whose checksums are right."""
    if not data.startswith(b"PK"):
        return hostile_pickle(draw)
    return _rewritten(data, lambda name, old: hostile_pickle(draw) if name.endswith(".pkl") else old)


def bomb(draw: random.Random, data: bytes) -> bytes:
    """An archive with a member that unpacks to a thousand times its size, or says so."""
    out = io.BytesIO()
    size = draw.choice([1 << 28, 1 << 27])
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        name = "w.npy" if draw.random() < 0.5 else "archive/data/0"
        with archive.open(name, "w", force_zip64=True) as member:
            for _ in range(size >> 20):
                member.write(b"\0" * (1 << 20))
    return out.getvalue()


def members(draw: random.Random, data: bytes) -> bytes:
    """An archive whose checksums are right and whose members are damaged."""
    if not data.startswith(b"PK"):
        return flip(draw, data)
    try:
        return _rewritten(
            data, lambda name, old: draw.choice(CHANCE)(draw, old) if old and draw.random() < 0.5 else old
        )
    except (zipfile.BadZipFile, ValueError):
        return flip(draw, data)


def _rewritten(data: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return out.getvalue()


CHANCE: list[Damage] = [flip, flip, cut, behead, swap, lose, repeat, noise, absurd, absurd, edit]


def damages(format: str) -> list[Damage]:
    """The damages that make sense for a format."""
    more: list[Damage] = []
    if format == "safetensors":
        more = [header] * 4
    elif format in ("npz", "torch"):
        more = [members, members, members, bomb]
    if format in ("haiku", "torch"):
        more += [hostile] * 4
    return [*CHANCE, *more]
