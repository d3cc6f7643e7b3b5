"""Lines of the program, as ledgers and errors name them."""

import subprocess
import sys

CELL = """
import jax.numpy as jnp
import tenure as tn
from tenure import nn

def f(x):
    return nn.Linear(3, name="head")(x)
"""
NOTEBOOK = f"""
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell("1 + 1", store_history=True)
shell.run_cell({CELL!r}, store_history=True)
shell.run_cell("print(tn.transform(f).plan(jnp.ones(2)).ledger)", store_history=True)
"""


def test_a_cell_of_a_notebook_is_named_by_its_number(tmp_path):
    run = subprocess.run([sys.executable, "-c", NOTEBOOK], capture_output=True, text=True, cwd=tmp_path)
    assert "In[2]:6" in run.stdout, run.stdout + run.stderr
