"""Padding of convolutions, as functions of the kernel's size."""
