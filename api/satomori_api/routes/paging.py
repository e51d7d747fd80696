"""Pages of lists: `limit` and `offset` in, `items` and the path of the next page out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from satomori_api.wire import to_wire


@dataclass(frozen=True, slots=True)
class Paging:
    request: Request
    limit: int
    offset: int

    def of(self, everything: Sequence[Any]) -> dict[str, Any]:
        """A page of a list that is there as a whole."""
        part = everything[self.offset : self.offset + self.limit + 1]
        return self._page(part)

    def of_query(self, ask: Callable[[int, int], Sequence[Any]]) -> dict[str, Any]:
        """A page of what `ask(limit, offset)` brings."""
        return self._page(ask(self.limit + 1, self.offset))

    def _page(self, part: Sequence[Any]) -> dict[str, Any]:
        following = None
        if len(part) > self.limit:
            url = self.request.url.include_query_params(limit=self.limit, offset=self.offset + self.limit)
            following = f"{url.path}?{url.query}"
        return {"items": to_wire(list(part[: self.limit])), "next": following}


def _paging(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=999, description="How many items a page has.")] = 200,
    offset: Annotated[int, Query(ge=0, le=10_000_000, description="How many items to pass over.")] = 0,
) -> Paging:
    return Paging(request, limit, offset)


Page = Annotated[Paging, Depends(_paging)]
