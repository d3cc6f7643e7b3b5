"""What mkdocs calls while it builds the site."""

import sys
from pathlib import Path

from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parents[1]))

from website import reference


def on_files(files, config):
    """Adds the pages of the reference."""
    for path, text in reference.pages().items():
        files.append(File.generated(config, path, content=text))
    return files
