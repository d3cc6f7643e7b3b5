"""Bars that take long: commands with `--times N`. The tests run a small seeded sample of each."""
