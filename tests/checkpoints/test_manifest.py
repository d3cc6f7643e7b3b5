"""The manifest: JSON that says what a checkpoint holds, and in which format."""

import json

import numpy as np
import pytest

import tenure as tn
from tenure.checkpoints import errors, manifest


def test_a_newer_format_says_so(model, tmp_path):
    path = tn.save(tmp_path / "a", model.plan, model.params)
    text = (path / manifest.NAME).read_text().replace('"tenure_checkpoint": 1', '"tenure_checkpoint": 2', 1)
    (path / manifest.NAME).write_text(text)
    with pytest.raises(errors.NewerFormatError, match="format 2"):
        tn.restore(path)


def test_the_manifest_is_json(model, tmp_path):
    path = tn.save(tmp_path / "a", model.plan, model.params, step=5)
    body = json.loads((path / manifest.NAME).read_text())
    assert (body["tenure_checkpoint"], body["step"]) == (1, 5)
    assert body["ledger"]["rows"][0]["path"] == "source/embeddings"


def test_metadata_with_numbers_that_are_none(model, tmp_path):
    """A loss that is not a number keeps nobody from saving."""
    metadata = {"losses": [float("nan"), float("inf")]}
    found = tn.restore(tn.save(tmp_path / "a", model.plan, model.params, metadata=metadata)).metadata
    assert np.isnan(found["losses"][0]) and found["losses"][1] == float("inf")
