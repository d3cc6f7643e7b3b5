"""Recurrent cells by the names that dictionaries give them, with RETURNN's parameter names and orders of gates."""

from tenure.network.cells.base import Cell, Spec, State, one, run
from tenure.network.cells.registry import UnknownUnitError, make, names, without_start

__all__ = ["Cell", "Spec", "State", "UnknownUnitError", "make", "names", "one", "run", "without_start"]
