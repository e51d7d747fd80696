"""The vocabulary that every part speaks, the `satomori` program and its supervisor."""

__version__ = "0.1.0"
