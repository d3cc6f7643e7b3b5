"""Whole files in all formats, to be damaged: written by us and by the libraries that the formats are of."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tenure import convert
from tenure.convert import Weights, held
from tests.convert.samples import WRITTEN, weights

FIXTURES = Path(__file__).parents[1] / "convert" / "fixtures"
CHECKED = {"npz", "torch", "tensorflow", "tenure"}  # formats with checksums: what loads must be what was written
SLOW = {"keras", "orbax", "tenure"}  # formats whose reader takes long


@dataclass(frozen=True)
class Whole:
    """A file or folder.

    Attributes:
      name: of the kind.
      format: how it is read.
      files: the contents of its files by name; the first one is what `read` is given, "." for the folder.
      values: what it holds.
    """

    name: str
    format: str
    files: dict[str, bytes]
    values: dict[str, np.ndarray]


def whole_files(folder: Path) -> list[Whole]:
    """All kinds, written into a folder."""
    made = [*_written(folder), *_fixtures(), *_further(folder)]
    return [Whole(n, f, files, _values(folder, n, f, files)) for n, f, files in made]


def place(whole: Whole, files: dict[str, bytes], folder: Path) -> Path:
    """Writes files into a fresh folder; returns what `read` is to be given."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return (
        folder if whole.format in ("orbax", "tenure") or whole.name == "sharded" else folder / next(iter(whole.files))
    )


def read(path: Path, format: str) -> dict[str, np.ndarray]:
    """Everything in a file."""
    found = convert.read(path, format, allow_pickle=True)
    return {name: np.asarray(found[name]) for name in found}


def _values(folder: Path, name: str, format: str, files: dict[str, bytes]) -> dict[str, np.ndarray]:
    whole = Whole(name, format, files, {})
    return {n: v.copy() for n, v in read(place(whole, files, folder / "values"), format).items()}


def _written(folder: Path):
    for format, name in WRITTEN.items():
        path = folder / "written" / format / name
        path.parent.mkdir(parents=True)
        convert.write(path, weights(format), format)
        root = path if path.is_dir() else path.parent
        yield format, format, {str(f.relative_to(root)): f.read_bytes() for f in sorted(root.rglob("*")) if f.is_file()}


def _fixtures():
    for name, format in (
        ("torch.pt", "torch"),
        ("onnx.onnx", "onnx"),
        ("keras2.h5", "keras"),
        ("keras3.weights.h5", "keras"),
        ("ctranslate2_int8/model.bin", "ctranslate2"),
    ):
        yield name, format, {Path(name).name: (FIXTURES / name).read_bytes()}
    yield "outside.onnx", "onnx", {n: (FIXTURES / n).read_bytes() for n in ("outside.onnx", "outside.data")}


def _further(folder: Path):
    """What needs more than a writer: pickles, compressed archives, several files, quantised blocks."""
    draw = np.random.RandomState(0)
    tree = {"mlp": {"w": draw.randn(3, 4).astype("float32"), "b": np.arange(4)}}
    for protocol in (2, 5):
        yield f"pickle{protocol}", "haiku", {"params.pkl": pickle.dumps(tree, protocol)}
    path = folder / "compressed.npz"
    np.savez_compressed(path, w=np.zeros((50, 50)), b=draw.randn(7))
    yield "compressed", "npz", {"compressed.npz": path.read_bytes()}
    shards = {}
    for name in ("a", "b"):
        convert.write(folder / f"{name}.safetensors", Weights("", "", {name: held(draw.randn(3))}), force=True)
        shards[f"{name}.safetensors"] = (folder / f"{name}.safetensors").read_bytes()
    index = json.dumps({"weight_map": {"a": "a.safetensors", "b": "b.safetensors"}}).encode()
    yield "sharded", "safetensors", {"model.safetensors.index.json": index, **shards}
    yield "quantised", "gguf", {"quantised.gguf": _quantised(draw)}


def _quantised(draw: np.random.RandomState) -> bytes:
    """A GGUF file with a tensor of every type of blocks."""
    import struct

    from tenure.convert.gguf_blocks import TYPES

    head, data = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(TYPES), 1)), bytearray()
    key = b"tokenizer.ggml.tokens"
    head += struct.pack("<Q", len(key)) + key + struct.pack("<IIQ", 9, 8, 2) + 2 * (struct.pack("<Q", 3) + b"abc")
    for code, (name, kind) in TYPES.items():
        blocks = draw.randint(0, 60, (2, kind.bytes)).astype("uint8").tobytes()
        head += struct.pack("<Q", len(name)) + name.encode() + struct.pack("<IQQ", 2, kind.values, 2)
        head += struct.pack("<IQ", code, len(data))
        data += blocks + b"\0" * (-len(blocks) % 32)
    return bytes(head + b"\0" * (-len(head) % 32) + data)
