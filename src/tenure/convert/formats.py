"""Which module reads and writes which format, and which format a file is in."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenure.convert.archive import Archive
from tenure.convert.errors import FileError, UnsupportedFileError, name_of
from tenure.core.errors import nearest


@dataclass(frozen=True)
class Format:
    """A format of files.

    Attributes:
      name: as in `--from` and `--to`.
      endings: of the files' names.
      ties: whether it can say that a name is another one; else tied names are written as copies.
      about: whether it keeps further facts.
      writes: whether it is written at all.
      unpacks: whether its files can be much smaller than what they unpack to, so that `max_bytes` matters.
    """

    name: str
    endings: tuple[str, ...] = ()
    ties: bool = False
    about: bool = False
    writes: bool = True
    unpacks: bool = False

    @property
    def module(self) -> Any:
        """The module with `read` and `write`."""
        return importlib.import_module(f"tenure.convert.{self.name}")


FORMATS = {
    f.name: f
    for f in (
        Format("tenure", ties=True),
        Format("safetensors", (".safetensors", ".safetensors.index.json"), ties=True, about=True),
        Format("npz", (".npz",), unpacks=True),
        Format("torch", (".pt", ".pth", ".ckpt"), ties=True, unpacks=True),
        Format("haiku", (".pkl", ".pickle"), writes=False),
        Format("flax", (".msgpack",)),
        Format("equinox", (".eqx",)),
        Format("keras", (".h5", ".hdf5")),
        Format("gguf", (".gguf",), about=True),
        Format("ctranslate2", ("model.bin",), ties=True, about=True),
        Format("onnx", (".onnx",)),
        Format("tensorflow", (".index", ".meta")),
        Format("orbax"),
    )
}


def by_name(name: str) -> Format:
    """The format of that name.

    Raises:
      UnsupportedFileError: there is none.
    """
    if name not in FORMATS:
        raise UnsupportedFileError(
            f"there is no format '{str(name)[:60]}'",
            near=nearest(str(name), FORMATS),
            ways=["formats: " + ", ".join(FORMATS)],
        )
    return FORMATS[name]


def of_file(path: str | Path) -> Format:
    """The format that a file, or a folder, is in: by its content, and by its name where the content does not tell.

    Raises:
      FileError: the file is not there.
      UnsupportedFileError: nothing fits.
    """
    path = Path(path)
    if path.is_dir():
        return _of_folder(path)
    if not path.exists():
        if Path(f"{path}.index").exists():
            return FORMATS["tensorflow"]
        raise FileError(f"'{name_of(path)}' is not there", ways=["check the path"])
    with path.open("rb") as file:
        head = file.read(16)
    found = _by_content(path, head) or _by_ending(path)
    if found is None:
        raise UnsupportedFileError(
            f"'{name_of(path)}' is in no format that is known",
            ways=["--from FORMAT says which", "formats: " + ", ".join(FORMATS)],
        )
    return found


def _by_content(path: Path, head: bytes) -> Format | None:
    if head.startswith(b"GGUF"):
        return FORMATS["gguf"]
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return FORMATS["keras"]
    if head.startswith(b"PK"):
        if path.suffix == ".npz":
            return FORMATS["npz"]
        _refuse_exported(path)
        return FORMATS["npz" if _all_arrays(path) else "torch"]
    if head.startswith(b"\x93NUMPY"):
        return FORMATS["equinox"]
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 40 and path.suffix != ".index":
        return FORMATS["safetensors"]
    return None


def _refuse_exported(path: Path) -> None:
    """Refuses what `tenure export` writes, which is a program with its weights."""
    if {"about.json", "program.bin"} <= set(Archive(path).members):
        raise UnsupportedFileError(
            f"'{name_of(path)}' is a network that `tenure export` wrote: a program with its weights",
            ways=[
                f'tenure.training.load_exported("{name_of(path)}") runs it',
                "the checkpoint that it was made from has the weights, by name",
            ],
        )


def _all_arrays(path: Path) -> bool:
    return all(name.endswith(".npy") for name in Archive(path).members)


def _by_ending(path: Path) -> Format | None:
    name = path.name
    if ".data-" in name:
        return FORMATS["tensorflow"]
    return next((f for f in FORMATS.values() if name.endswith(f.endings or ("\0",))), None)


def _of_folder(folder: Path) -> Format:
    from tenure.convert import orbax, safetensors, tenure

    if (folder / tenure.NAME).exists():
        return FORMATS["tenure"]
    if any((folder / mark).exists() or list(folder.glob(f"*/{mark}")) for mark in orbax.MARKS):
        return FORMATS["orbax"]
    if (folder / "model.bin").exists():
        return FORMATS["ctranslate2"]
    if (folder / safetensors.INDEX).exists() or (folder / "model.safetensors").exists():
        return FORMATS["safetensors"]
    raise UnsupportedFileError(
        f"'{name_of(folder)}' is a folder of no format that is known", ways=["name a file in it"]
    )


def for_output(path: str | Path) -> Format:
    """The format that a new file's name asks for: Tenure's own for a name without an ending, such as `step_10` or `v1.2`.

    Raises:
      UnsupportedFileError: no format has the ending.
    """
    found = _by_ending(Path(path))
    ending = Path(path).suffix
    if found is None and ending[1:2].isalpha() and ending != ".tenure" and not Path(path).is_dir():
        raise UnsupportedFileError(
            f"the ending '{ending}' of '{name_of(path)}' says no format that is known",
            near=nearest(ending, [e for f in FORMATS.values() for e in f.endings]),
            ways=[
                "--to FORMAT says which; --to tenure writes a folder",
                "formats: " + ", ".join(f.name for f in FORMATS.values() if f.writes),
            ],
        )
    return found or FORMATS["tenure"]


def keywords(found: Format, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the format's reader takes."""
    own = {"haiku": {"allow_pickle"}, "tenure": {"group"}}.get(found.name, set())
    taken = own | ({"max_bytes"} if found.unpacks else set())
    return {key: value for key, value in options.items() if key in taken}


__all__ = ["FORMATS", "Format", "by_name", "for_output", "keywords", "of_file"]
