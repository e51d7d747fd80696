"""MQTT topic filters: whether one is well formed, matches a topic, or shares topics with another. Pure."""

from collections.abc import Sequence


def is_filter(pattern: str) -> bool:
    """Whether `pattern` is a topic filter (MQTT 5 section 4.7): `+` and `#` fill whole levels, `#` only the last."""
    if not pattern or "\0" in pattern or len(pattern.encode()) > 65_535:
        return False
    levels = pattern.split("/")
    if any("+" in level and level != "+" for level in levels):
        return False
    return all("#" not in level for level in levels[:-1]) and ("#" not in levels[-1] or levels[-1] == "#")


def matches(pattern: str, topic: str) -> bool:
    """Whether a topic falls under a filter. Topics that begin with `$` match no leading wildcard."""
    if topic.startswith("$") and pattern[:1] in {"+", "#"}:
        return False
    return _meet(pattern.split("/"), topic.split("/"))


def overlap(one: str, other: str) -> bool:
    """Whether some topic matches both filters."""
    return _meet(one.split("/"), other.split("/"))


def _meet(one: Sequence[str], other: Sequence[str]) -> bool:
    for index, (a, b) in enumerate(zip(one, other, strict=False)):
        if "#" in (a, b):
            return True
        if a != b and "+" not in (a, b):
            return False
        if index + 1 == min(len(one), len(other)) and len(one) != len(other):
            longer = one if len(one) > len(other) else other
            return longer[index + 1 :] == ["#"] or longer[index + 1] == "#"  # `a/#` also matches `a`
    return len(one) == len(other)
