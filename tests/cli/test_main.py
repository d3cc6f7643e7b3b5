"""The command line as a whole: its commands, what it says to slips of the pen, and the completion of shells."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tenure as tn
from tenure.cli import main
from tenure.cli.main import COMMANDS, command, names, parser
from tests.cli.process import tenure, write


def test_commands_are_those_of_the_list_and_each_says_what_it_does():
    assert set(names()) <= set(COMMANDS)
    said = tenure("--help").stdout
    for name in names():
        assert f"\n    {name} " in said and command(name).HELP
        shown = tenure(name, "--help").stdout
        assert shown.startswith(f"usage: tenure {name}") and not shown.splitlines()[0].endswith(" ...")
        for line in shown.split("\n\nexamples")[0].splitlines():
            assert len(line) <= 130


def test_help_comes_at_once():
    best = 9.0
    for _ in range(5):
        began = time.process_time()
        code = "import sys, time; sys.argv = ['tenure', '--help']; from tenure.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        code += (
            "assert not {'jax', 'numpy', 'tenure.core'} & set(sys.modules); print(time.process_time(), file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0 and began >= 0
        best = min(best, float(done.stderr))
    assert best < 0.3


@pytest.mark.parametrize("typed, meant", [("trian", "train"), ("chekc", "check"), ("leger", "ledger"), ("find", None)])
def test_a_slip_of_the_pen_is_told_with_what_was_meant(typed, meant):
    said = tenure(typed, "x.py")
    assert said.returncode == 2 and f"no command '{typed}'" in said.stderr
    assert ("did you mean" in said.stderr) == bool(meant) and (not meant or f"`tenure {meant}`" in said.stderr)


def test_a_config_without_a_command_is_told(tmp_path):
    said = tenure(write(tmp_path), folder=tmp_path)
    assert said.returncode == 2 and "did you mean `tenure train train.config`?" in said.stderr


def test_every_command_has_help():
    for name in names():
        with pytest.raises(SystemExit) as leave:
            main([name, "--help"])
        assert leave.value.code == 0
    assert {"convert", "diff", "inspect"} <= set(names())
    parser().parse_args(["convert", "a", "b"])


def run(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env={**os.environ})


def test_the_module_runs_and_tells_its_version():
    assert run("-m", "tenure", "--version").stdout == f"tenure {tn.__version__}\n"
    assert run("-m", "tenure").returncode == 2


def test_help_imports_neither_jax_nor_numpy():
    code = """
import sys
from tenure.cli.main import parser
parser().format_help()
print(sorted({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)))
"""
    said = run("-c", code).stdout
    assert "tenure" in said and not {"jax", "jaxlib", "numpy", "h5py", "safetensors"} & set(eval(said))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_an_output_without_room_is_told_as_a_sentence():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "tenure", "keys"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode != 0 and "No space left on device" in done.stderr and "Traceback" not in done.stderr
