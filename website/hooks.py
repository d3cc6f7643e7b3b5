"""What mkdocs calls while it builds the site."""

import os
import sys
from pathlib import Path

from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parents[1]))

from website import live, reference


def on_config(config):
    """Leaves out the results of tutorials that TENURE_DOCS_NOT_RUN names: those whose weights are not there."""
    left_out = os.environ.get("TENURE_DOCS_NOT_RUN", "").split()
    config.plugins["mkdocs-jupyter"].config["execute_ignore"] += [f"tutorials/{name}.py" for name in left_out]
    return config


def on_files(files, config):
    """Adds the pages of the reference, and those that pages embed."""
    for path, text in {**reference.pages(), **live.pages()}.items():
        files.append(File.generated(config, path, content=text))
    return files
