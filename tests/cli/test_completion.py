"""Scripts that make shells complete commands, options and keys."""

import shutil
import subprocess

import pytest

from tenure.cli.main import names
from tests.cli.process import tenure


def completed(words, shell_script):
    """What bash offers for the last of some words."""
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"{shell_script}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _tenure; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert not done.stderr
    return done.stdout.split()


def test_bash_completes_commands_options_keys_and_files(tmp_path):
    script = tenure("--completion", "bash").stdout
    assert completed(["tenure", "sc"], script) == ["scores"]
    assert completed(["tenure", "--tr"], script) == ["--traceback"]
    assert completed(["tenure", "ledger", "--s"], script) == ["--shared-only"]
    assert completed(["tenure", "train", "c.py", "++newbob_multi"], script) == [
        *("++newbob_multi_num_epochs", "++newbob_multi_update_interval")
    ]
    (tmp_path / "a_config.py").touch()
    assert completed(["tenure", "train", f"{tmp_path}/a_c"], script) == [f"{tmp_path}/a_config.py"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_read_their_scripts(tmp_path, shell):
    script = tenure("--completion", shell).stdout
    assert all(name in script for name in names()) and "++num_epochs" in script
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(script)
    assert subprocess.run([shell, "-n", str(tmp_path / "script")]).returncode == 0
    if shell == "fish":
        code = f"source {tmp_path / 'script'}; complete -C 'tenure tra'; complete -C 'tenure scores --no'"
        done = subprocess.run(["fish", "-c", code], capture_output=True, text=True)
        assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["train", "--no-plot"]
