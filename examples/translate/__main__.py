"""``python -m examples.translate --help``."""

from __future__ import annotations

import sys

from .interrupt import EXIT_CODE, terminate_as_interrupt
from .options import parse


def main() -> int:
    """Runs the job; returns the exit code."""
    options = parse()
    terminate_as_interrupt()
    try:
        from .job import run  # here, so that --help need not wait for JAX

        return run(options)
    except KeyboardInterrupt:
        print("\nstopped; the same command continues from the last checkpoint", file=sys.stderr)
        return EXIT_CODE
    except (RuntimeError, ValueError, OSError) as error:
        if type(error).__module__.startswith(__package__ or "examples"):
            print(f"error: {error}", file=sys.stderr)
            return 1
        raise


if __name__ == "__main__":
    sys.exit(main())
