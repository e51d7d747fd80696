"""Who is alike: assets of one class that agree in what is known of them, less strictly where they are few. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Fewer members than this beside the asset itself say nothing, and would give away whose value is whose.
LEAST = 3


@dataclass(frozen=True, slots=True)
class Member:
    """`numbers`: what is compared by closeness (year, span in m …); `words`: what has to be the same."""

    asset: str
    class_: str
    owner: str
    numbers: Mapping[str, float]
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Likeness:
    """One condition. `within`: how far apart the numbers may be, or `times`: by what factor; neither: the same word."""

    on: str
    within: float | None = None
    times: float | None = None

    def holds(self, one: Member, other: Member) -> bool:
        """What is not known of either of them tells nobody apart."""
        if self.within is None and self.times is None:
            return one.words.get(self.on, "") in ("", other.words.get(self.on, "")) or not other.words.get(self.on)
        a, b = one.numbers.get(self.on), other.numbers.get(self.on)
        if a is None or b is None:
            return True
        if self.within is not None:
            return abs(a - b) <= self.within
        return self.times is None or (min(a, b) > 0 and max(a, b) <= self.times * min(a, b))


@dataclass(frozen=True, slots=True)
class Group:
    """`members` without the asset itself; `alike`: the conditions that all of them keep."""

    members: tuple[Member, ...]
    alike: tuple[str, ...]

    @property
    def owners(self) -> int:
        return len({member.owner for member in self.members})


def group_of(asset: Member, others: Sequence[Member], likenesses: Sequence[Likeness]) -> Group | None:
    """The members of its class that keep all conditions; with fewer than LEAST the last is given up, and so on.

    None where even the whole class has too few.
    """
    same = [other for other in others if other.class_ == asset.class_ and other.asset != asset.asset]
    for count in range(len(likenesses), -1, -1):
        kept = likenesses[:count]
        members = tuple(other for other in same if all(each.holds(asset, other) for each in kept))
        if len(members) >= LEAST:
            return Group(members, tuple(each.on for each in kept))
    return None
