"""The folder where compiled programs are kept."""

import pathlib

import jax
import pytest

from tenure.training.engine import compiled
from tenure.training.errors import ConfigError


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    """JAX without a folder; as it was afterwards."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_the_folder_is_where_caches_of_the_user_are(monkeypatch, tmp_path):
    monkeypatch.setattr(compiled.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert compiled.cache_folder() == tmp_path / "tenure" / "compiled"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert compiled.cache_folder() == pathlib.Path.home() / ".cache" / "tenure" / "compiled"


def test_a_config_says_where_or_that_nothing_is_kept(tmp_path):
    assert compiled.keep_compiled({"compile_cache": False}) is None and not jax.config.jax_compilation_cache_dir
    folder = tmp_path / "a" / "b"
    assert compiled.keep_compiled({"compile_cache": str(folder)}) == folder and folder.is_dir()
    assert jax.config.jax_compilation_cache_dir == str(folder)
    assert compiled.keep_compiled({"compile_cache": str(tmp_path)}) is None  # JAX has been told already


def test_what_is_no_folder(tmp_path):
    with pytest.raises(ConfigError, match="compile_cache is 3"):
        compiled.keep_compiled({"compile_cache": 3})
    (tmp_path / "file").touch()
    assert compiled.keep_compiled({"compile_cache": str(tmp_path / "file" / "x")}) is None
