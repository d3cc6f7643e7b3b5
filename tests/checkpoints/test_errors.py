"""Errors of checkpoints: which library is missing, and how to get it."""

import sys

import pytest

import tenure as tn
from tenure.checkpoints import errors


def test_a_missing_library_is_named_with_the_extra_that_has_it(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "xxhash", None)
    with pytest.raises(errors.MissingLibraryError, match=r"pip install 'tenure\[checkpoints\]'"):
        tn.save(tmp_path / "a", model.plan, model.params)
