"""Domain formulas by name: what there is, and their values for numbers that you send. Nothing here is of the region."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel

from satomori_analytics import indicators
from satomori_api.auth import viewer_of
from satomori_api.routes.inputs import Word
from satomori_api.routes.paging import Page
from satomori_core.errors import RejectedError, SettingsError

router = APIRouter(tags=["indicators / 指標"], dependencies=[Depends(viewer_of)])


class Formula(BaseModel):
    """`inputs`: argument -> unit (UCUM) or a word for what it is. `ranges`: what is let in, both ends; null: no end.

    `status`: C published value reproduced, R rule read in the source, X computed without a published value, REC
    recalled and not checked.
    """

    name: str
    unit: str
    inputs: dict[str, str]
    required: list[str]
    defaults: dict[str, Any]
    ranges: dict[str, tuple[float | None, float | None]]
    source: str
    status: Literal["C", "R", "X", "REC"]
    about: str
    ja: str
    en: str


class Formulas(BaseModel):
    """One page. `next`: the path of the following one, null on the last."""

    items: list[Formula]
    next: str | None = None


class Answer(BaseModel):
    """`value`: null where an input is missing; lists and names as `about` says."""

    name: str
    value: Any
    unit: str
    source: str
    status: str


@router.get("/indicators", response_model=Formulas, summary="Domain formulas / 指標の一覧")
def listed(page: Page) -> dict[str, Any]:
    """All formulas with their units, ranges, defaults and sources."""
    return page.of([each.describe() for each in indicators.ALL])


@router.get("/indicators/{name}", response_model=Formula, summary="One formula / 指標の説明")
def described(name: Word) -> dict[str, Any]:
    return indicators.find(name).describe()


@router.post("/indicators/{name}", response_model=Answer, summary="A formula's value / 指標の計算")
def evaluated(
    name: Word,
    body: Annotated[dict[str, Any], Body(examples=[{"t_c": 32, "rh": 22}], description="The inputs by name.")],
) -> dict[str, Any]:
    """Nothing is stored. A number may be a list, for a value each; null in it is a missing value."""
    found = indicators.find(name)
    try:
        value = indicators.call(found, body)
    except SettingsError as error:
        raise RejectedError("indicator", str(error)) from error
    return {"name": name, "value": value, "unit": found.unit, "source": found.source, "status": found.status}
