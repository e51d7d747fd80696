"""Fixtures of the API's tests."""

from support.api_world import filled, still_world, world

__all__ = ["filled", "still_world", "world"]
