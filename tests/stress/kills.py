"""`kill -9` at random moments while saving: afterwards the previous or the new checkpoint loads whole.

    python -m tests.stress.kills --times 200

Each round starts a process that saves, or overwrites, or saves in the background through a manager, one checkpoint after the
other, as fast as it can, and says which are done. The round kills the process after a random time, and restores. All values of
a checkpoint are its step's number, so that a mixture of two would show.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp

import tenure as tn
from tenure.checkpoints import errors, manifest

MODES = ["overwrite", "background", "foreground"]
SIZE = 600  # rows and columns of each of four matrices


def function(x):
    """Four layers, one of them tied."""
    first = tn.nn.Linear(SIZE, name="first")
    for name in ("second", "third"):
        x = tn.nn.Linear(SIZE, name=name)(x)
    return tn.nn.Linear(SIZE, name="last", share={"w": first.ref("w").T})(first(x))


PLAN = tn.transform(function).plan(jnp.ones(SIZE))


def tree(step: int) -> dict:
    """Params whose values are all the step's number."""
    return jax.tree.map(lambda s: jnp.full(s.shape, float(step), s.dtype), PLAN.params)


def write(mode: str, folder: Path, start: int) -> None:
    """Saves for ever; prints a step once its checkpoint is done."""
    manager = (
        tn.CheckpointManager(folder / "run", last=2, background=mode == "background") if mode != "overwrite" else None
    )
    jax.block_until_ready(tree(start))  # compiled before the clock runs
    print("ready", flush=True)
    for step in range(start, start + 10_000):
        params = tree(step)
        if manager is None:
            tn.save(folder / "run", PLAN, params, opt_state={"m": params}, step=step, overwrite=True)
            print(step, flush=True)
        else:
            manager.save(step, PLAN, params, opt_state={"m": params})
            if mode == "background":
                print(step - 1, flush=True)  # the one before, for which `save` waited
            else:
                print(step, flush=True)


def check(mode: str, folder: Path, done: int, started: bool) -> int:
    """The step of the checkpoint that is there, after making sure that it is whole. -1 if there is none."""
    template = {"m": PLAN.params}
    try:
        if mode == "overwrite":
            found = tn.restore(folder / "run", PLAN, opt_state=template)
        else:
            found = tn.CheckpointManager(folder / "run").restore(PLAN, opt_state=template)
            assert not found.report, f"a save that was killed left something that looks whole: {found.report}"
    except errors.CheckpointError as e:
        assert done < 0 and not isinstance(e, errors.DamagedError), f"step {done} was done, and now: {e}"
        return -1
    step = found.step
    assert step is not None and step >= done, f"step {done} was done, and the newest is {step}"
    values = {float(v) for a in jax.tree.leaves((found.params, found.opt_state)) for v in (a.min(), a.max())}
    assert values == {float(step)}, f"the checkpoint of step {step} holds values of {values}"
    return step


def debris(folder: Path) -> list[str]:
    """What a save that was killed has left: files that no manifest names."""
    kept = {p.parent / name for p in folder.rglob(manifest.NAME) for name in manifest.read(p.parent)["files"]}
    files = {p for p in folder.rglob("*") if p.is_file() and p.name != manifest.NAME}
    hidden = {p for p in folder.rglob("*") if ".tenure-" in str(p.relative_to(folder))}
    return sorted(str(p.relative_to(folder)) for p in (files - kept) | hidden)


def run(times: int, seed: int, say=print) -> None:
    """So many kills; an assertion fails where a checkpoint is lost or mixed."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as root:
        folders = {mode: Path(root) / mode for mode in MODES}
        done = dict.fromkeys(MODES, -1)
        between = 0
        for i in range(times):
            mode = MODES[i % len(MODES)]
            folders[mode].mkdir(exist_ok=True)
            before = done[mode]
            done[mode] = killed(mode, folders[mode], before, rng)
            left = debris(folders[mode])
            between += bool(left)
            say(f"{i + 1:4d} {mode:<10} was at {before}, is at {done[mode]}, left behind: {len(left)}")
        for mode, folder in folders.items():
            if not folder.exists():
                continue
            final = done[mode] + 100_000
            if mode == "overwrite":
                tn.save(folder / "run", PLAN, tree(final), opt_state={"m": tree(final)}, step=final, overwrite=True)
            else:
                manager = tn.CheckpointManager(folder / "run", last=2)
                manager.save(final, PLAN, tree(final), opt_state={"m": tree(final)})
                manager.close()
            assert check(mode, folder, final, True) == final
            assert not debris(folder), f"the next save cleans up: {debris(folder)}"
            shutil.rmtree(folder)
        say(f"{times} kills: nothing lost, nothing mixed; {between} of them in the middle of a save")


def killed(mode: str, folder: Path, before: int, rng: random.Random) -> int:
    """Starts a process, kills it at a random moment, and returns the step that is there."""
    command = [sys.executable, "-m", "tests.stress.kills", "--write", mode, str(folder), str(before + 1)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0.0, 0.3))
        process.kill()
        said = [int(line) for line in process.stdout.read().split()]
    return check(mode, folder, max([before, *said]), bool(said))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", nargs=3, metavar=("MODE", "FOLDER", "STEP"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write(options.write[0], Path(options.write[1]), int(options.write[2]))
    else:
        run(options.times, options.seed)


if __name__ == "__main__":
    main()
