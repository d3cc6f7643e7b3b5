"""Stages are found by name whatever was imported."""

import subprocess
import sys


def test_a_stage_is_found_by_its_name_in_a_fresh_process():
    code = (
        "from tenure.core.model.transform import transform\n"
        "from tenure.core.run.parameters import get_parameter\n"
        "import jax.numpy as jnp\n"
        "plan = transform(lambda: get_parameter('w', (2, 2), init=jnp.ones, stages=['noise(0.1)'])).plan()\n"
        "print(plan.ledger['~/w'].stages)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "('noise(0.1)',)"
