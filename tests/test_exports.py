"""The names that `import tenure as tn` gives: each has a docstring with a doctest."""

import inspect

import pytest

import tenure as tn

NAMES = [n for n in tn.__all__ if inspect.isclass(getattr(tn, n)) or inspect.isfunction(getattr(tn, n))]


@pytest.mark.parametrize("name", NAMES)
def test_every_exported_name_has_a_doctest(name):
    if name in ("Share", "Stages"):
        pytest.skip("a type")
    assert ">>>" in (inspect.getdoc(getattr(tn, name)) or "")
