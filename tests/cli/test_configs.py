"""What commands on configs share: reading a config whose code may fail."""

from tests.cli.process import here, tenure


def test_an_error_in_a_config_is_shown_from_the_line_in_the_config_on(tmp_path):
    (tmp_path / "c.py").write_text("def f():\n    return unknown + 1\nx = f()\n")
    for name, run in (("train", tenure), ("check", here)):
        said = run(name, "c.py", folder=tmp_path)
        assert said.returncode == 1 and "Traceback" not in said.stderr
        assert "error: the code of 'c.py' fails\n  File \"c.py\", line 3" in said.stderr
        assert "NameError: name 'unknown' is not defined" in said.stderr and "loading.py" not in said.stderr
