"""Weights of other libraries: one file per format, read and written as data, and rules from their names to ours."""
