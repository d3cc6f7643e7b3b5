# %% [markdown]
# # A RETURNN config, moved over
#
# Here is a training that RETURNN on TensorFlow has begun: its config, its learning-rate file, its checkpoint of the third epoch. Tenure goes on with
# all three as they are. They lie in the repository under `examples/returnn`; nothing of them is changed.

# %%
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import tenure as tn

FOLDER = Path(tn.__file__).parents[2] / "examples" / "returnn"
work = Path(tempfile.mkdtemp()) / "12ax"
shutil.copytree(FOLDER, work)
print((work / "config.py").read_text())


def tenure(*arguments):
    """Runs a command of Tenure in the folder, and prints what it says."""
    print("$ tenure", *arguments)
    command = [sys.executable, "-m", "tenure", *arguments]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stderr


# %% [markdown]
# ## Before anything is trained
# `tenure check` looks at all that can be known in advance: keys, files, the network of each stage, the first batch of each data set.

# %%
tenure("check", "config.py")

# %% [markdown]
# Who owns which parameter, under the names that RETURNN's checkpoint has:

# %%
tenure("ledger", "config.py")

# %% [markdown]
# ## The checkpoint
# It is read without TensorFlow.

# %%
tenure("inspect", "net/model.003")

# %% [markdown]
# RETURNN's learning-rate file says that the `dev` score after the third epoch was 0.0077859061. Here is ours, with RETURNN's parameters, on
# RETURNN's data set, which is generated to the bit:

# %%
tenure("eval", "config.py", "++load_epoch", "3")

# %% [markdown]
# ## Going on
# The same command that would have gone on there. It finds the newest checkpoint, and newbob goes on from the scores that RETURNN wrote.

# %%
tenure("train", "config.py", "++num_epochs", "6")

# %%
tenure("scores", ".")

# %% [markdown]
# From here on, checkpoints are Tenure's own: parameters, states, optimizer, the learning rates, and how far it was, in one commit. A run that is
# killed goes on from the newest one, bit for bit. Next to them lie the curves as a picture, `scores.json`, and a report to look at.

# %%
print(*sorted(path.name for path in (work / "net").iterdir()), sep="\n")

# %% [markdown]
# ## What is different, and why
#
# - **Padding.** What lies beyond a sequence's end changes nothing within it, and evaluation changes no running mean. RETURNN is otherwise in a few places;
#   `padding_legacy = True` gives its numbers there.
# - **Ties.** `reuse_params` means one array with one owner, and the ledger shows it. `reuse_legacy = True` is RETURNN's meaning.
# - **Keys that are not done** are refused by name, as a training without them is not what the config means: `tenure keys` has the table.
# - **Typos** in keys are errors with a suggestion.
#
# [Coming from RETURNN](../coming-from-returnn.html) has the rest: networks, loops, search, checkpoints.
