"""`python -m examples.weights.transcribe [FILE.wav …]`: prints the ledger with the tie that the file states, then what is said.

Without files, it transcribes prompts of the Asterisk telephone system, next to what they are meant to say.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from examples.weights.prompts import prompts
from examples.weights.whisper_audio import read
from examples.weights.whisper_text import Transcriber


def main(files: list[str]) -> None:
    """Transcribes."""
    transcriber = Transcriber()
    shown = str(transcriber.plan.ledger).splitlines()
    tied = [i for i, line in enumerate(shown) if "↳" in line]
    print("\n".join([*shown[:2], *(shown[j] for i in tied for j in (i - 1, i)), "…", shown[-1], ""]))
    for file, text in ({Path(f): "" for f in files} or prompts(5)).items():
        started = time.perf_counter()
        print(f"{file.name}: {transcriber(read(file))}   [{time.perf_counter() - started:.1f} s]")
        if text:
            print(f"{'meant':>{len(file.name)}}: {text}")


if __name__ == "__main__":
    main(sys.argv[1:])
