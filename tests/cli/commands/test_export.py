"""`tenure export CONFIG`: what it says, and where it writes."""

import numpy as np
import pytest

from tenure.training import load_exported
from tests.cli.process import here, tenure, write


@pytest.mark.slow
def test_a_network_is_written_beside_its_checkpoints(tmp_path):
    name = write(tmp_path)
    assert tenure("train", name, "++task", "initialize_model", folder=tmp_path).returncode == 0
    said = tenure("export", name, folder=tmp_path)
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[-1] == "net/model.exported"
    assert "data: float32 ['rows', 'time', 9] with lengths\n→ output\n" in said.stdout
    found = load_exported(tmp_path / "net" / "model.exported")({"data": np.ones((2, 3, 9), "float32")})
    assert found["output"].data.shape == (2, 3, 2)


def test_without_a_checkpoint_it_says_so(tmp_path):
    said = here("export", write(tmp_path), folder=tmp_path)
    assert said.returncode == 1 and "error: there is no checkpoint under net/model" in said.stderr
