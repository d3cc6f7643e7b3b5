"""The prompts of the Asterisk telephone system, in English: sounds and what they are meant to say (CC BY-SA 3.0, Digium)."""

from __future__ import annotations

import gzip
from pathlib import Path

from examples.weights.fetch import fetch
from examples.weights.whisper_audio import RATE, read


def prompts(count: int, shortest: float = 2.0) -> dict[Path, str]:
    """Some of Asterisk's prompts that last so many seconds at least, and their texts: evenly spread over the alphabet."""
    folder = fetch("prompts")
    lines = gzip.decompress((folder / "texts.gz").read_bytes()).decode().splitlines()
    texts = dict(line.split(": ", 1) for line in lines if ": " in line and not set(line) & set("[("))
    files = {folder / "en" / f"{name.replace('/', '--')}.wav": text for name, text in texts.items()}
    found = {f: t for f, t in sorted(files.items()) if f.is_file() and len(read(f)) >= shortest * RATE}
    return {f: found[f] for f in list(found)[:: max(1, len(found) // count)][:count]}
