"""The manifest: what a checkpoint holds, in one JSON file that is the commit. What it does not name is not there.

Its first line has the format and the checksum of all lines that follow; together they are one JSON object:

    {"tenure_checkpoint": 1, "xxh3": "0123456789abcdef",
    "step": 100, "files": {…}, "ledger": {…}, …}
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenure.checkpoints.errors import CheckpointError, DamagedError, NewerFormatError
from tenure.checkpoints.tensors import checksum
from tenure.core.errors import Party, brief
from tenure.core.ledger.ledger import Ledger

NAME = "tenure.json"
FORMAT = 1
_FIRST = re.compile(rb'\{"tenure_checkpoint": (\d{1,9}), "xxh3": "([0-9a-f]{16})",\n')
_LARGE = 20_000  # characters of a ledger above which it is compressed
_LARGEST = 1 << 28  # bytes of a manifest: a limit for damaged files only
_LARGEST_LEDGER = 1 << 26
_FILE = re.compile(r"[a-z]+(-\d+)?(\.safetensors|\.ocdbt)")


def encode(body: Mapping[str, Any]) -> bytes:
    """The manifest's bytes.

    Raises:
      CheckpointError: the metadata are more than JSON can hold.
    """
    try:
        _check_plain(body.get("metadata"))
        rest = json.dumps(body, separators=(",", ":"), ensure_ascii=False)[1:].encode()
    except (TypeError, ValueError, RecursionError) as e:
        raise CheckpointError(
            f"the metadata are more than JSON can hold: {brief(str(e), 200)}",
            ways=["numbers, strings, booleans, None, and lists and dicts of these with strings as keys"],
        ) from None
    return f'{{"tenure_checkpoint": {FORMAT}, "xxh3": "{checksum(rest)}",\n'.encode() + rest


def _check_plain(value: Any) -> None:
    """Raises `TypeError` for what would come back from JSON as something else."""
    if type(value) is dict:
        if odd := [k for k in value if type(k) is not str]:
            raise TypeError(f"the key {brief(odd[0])} is no string")
        value = list(value.values())
    if type(value) is list:
        for item in value:
            _check_plain(item)
    elif value is not None and type(value) not in (str, int, float, bool):
        raise TypeError(f"{brief(value)} is {type(value).__name__}")


def decode(data: bytes, path: Path) -> dict[str, Any]:
    """The manifest in a file's bytes, checked.

    Raises:
      NewerFormatError: it has a later format.
      DamagedError: it is not as it was written.
    """
    first = _FIRST.match(data)
    if first and int(first[1]) > FORMAT:
        raise NewerFormatError(
            f"'{path}' is a checkpoint of format {int(first[1])}, and this version of Tenure reads up to {FORMAT}",
            ways=["pip install --upgrade tenure"],
        )
    rest = data[first.end() :] if first else b""
    if first is None or checksum(rest) != first[2].decode():
        raise _damaged(path, "is not as it was written")
    try:
        body = json.loads(b"{" + rest)
        for name, about in body["files"].items():
            _check_file(name, about)
        _check_rest(body)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as e:
        raise _damaged(path, f"can not be read: {brief(str(e))}") from None
    return body


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a checkpoint.

    Raises:
      CheckpointError: the folder is no checkpoint.
      NewerFormatError, DamagedError: as `decode`.
    """
    path = folder / NAME
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST)
    except FileNotFoundError:
        what = "has no checkpoint: there is no 'tenure.json' in it" if folder.is_dir() else "does not exist"
        raise CheckpointError(f"'{folder}' {what}", ways=["give the folder that tn.save wrote"]) from None
    except NotADirectoryError:
        raise CheckpointError(
            f"'{folder}' is a file, and no checkpoint",
            ways=[
                "give the folder that tn.save wrote",
                "weights of other formats:  tn.convert.load(path, rules, plan)",
            ],
        ) from None
    except OSError as e:
        raise _damaged(path, f"can not be opened: {e}") from None
    return decode(data, path)


def ledger_to_data(ledger: Ledger) -> Any:
    """A ledger as the manifest holds it: as data, compressed if it is long."""
    data = json.loads(ledger.to_json())
    text = json.dumps(data, separators=(",", ":"))
    if len(text) <= _LARGE:
        return data
    return {"zlib": base64.b64encode(zlib.compress(text.encode(), 6)).decode()}


def ledger_from_data(data: Any, path: Path) -> Ledger:
    """The way back.

    Raises:
      DamagedError: it is no ledger.
    """
    try:
        if "zlib" in data:
            engine = zlib.decompressobj()
            text = engine.decompress(base64.b64decode(data["zlib"], validate=True), _LARGEST_LEDGER)
            if not engine.eof:
                raise ValueError("a ledger that is cut, or absurdly long")
            data = json.loads(text)
        return Ledger.from_json(data)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, zlib.error) as e:
        raise _damaged(path, f"holds no ledger that can be read: {brief(str(e), 200)}") from None


def _check_file(name: str, about: Mapping[str, Any]) -> None:
    if not _FILE.fullmatch(name):
        raise ValueError(f"a file named {brief(name)}")
    if not isinstance(about["tensors"], dict):
        raise TypeError("a table of tensors that is none")
    sharded = name.endswith(".ocdbt")
    if not sharded and (type(about["bytes"]) is not int or not isinstance(about["header"], str)):
        raise TypeError("a file without its size and checksum")
    for key, entry in about["tensors"].items():
        checked, form, *raw = entry
        texts = isinstance(form, str) and (isinstance(checked, str) or sharded)
        shaped = not raw or (len(raw) == 2 and isinstance(raw[0], str) and _is_shape(raw[1]))
        if not texts or not shaped or (sharded and not raw):
            raise ValueError(f"an entry of {brief(key)} that is none")


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 64 and all(type(n) is int and 0 <= n < 2**63 for n in value)


def _check_rest(body: Mapping[str, Any]) -> None:
    step = body["step"]
    if step is not None and type(step) is not int:
        raise TypeError("a step that is no whole number")
    for key, kind in {"groups": dict, "ties": dict, "stages": dict, "trees": dict, "ledger": dict, "has": list}.items():
        if not isinstance(body[key], kind):
            raise TypeError(f"{key} that are none")
    if "metadata" not in body:
        raise LookupError("no metadata")
    if not all(isinstance(name, str) and name in body["files"] for name in body["groups"].values()):
        raise ValueError("a group of arrays without its file")
    if type(body["generation"]) is not int or not isinstance(body["only"], list):
        raise TypeError("no generation")


def _damaged(path: Path, what: str) -> DamagedError:
    return DamagedError(
        f"'{path.name}' {what}",
        parties=[Party("file", str(path))],
        ways=["restore an older checkpoint; CheckpointManager does, and tells"],
    )
