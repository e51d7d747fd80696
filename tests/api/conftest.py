"""Fixtures of the API's tests."""

from support.api_world import filled, world

__all__ = ["filled", "world"]
