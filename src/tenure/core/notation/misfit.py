"""What does not fit, before anybody knows whose it is."""

from __future__ import annotations


class Misfit(Exception):
    """A view or a stage does not fit a shape or dtype. Whoever knows the slots turns it into an error that names them."""
