"""An embedding after two steps that read some of its rows."""

PATH = ("embed", "W")
