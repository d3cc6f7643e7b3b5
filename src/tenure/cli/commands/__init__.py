"""One module for each command of `tenure`."""
