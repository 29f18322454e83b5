"""`GET /v1/styles`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class CurvePointCard(BaseModel):
    """What was measured at one value of the knob."""

    knob: float = Field(description="-1 to 1; 0 is the model as it is.")
    measure: float = Field(description="Mean over the problems, in `unit`.")
    pass_rate: float = Field(description="Share of the problems solved.")


class PromptPointCard(BaseModel):
    """What was measured without a vector, the style being asked for in words."""

    asked: str = Field(description="What was asked for in words, and how the knob stood beside it.")
    measure: float
    pass_rate: float


class StyleCard(BaseModel):
    """One control vector. The calibration's fields are null where a vector has none."""

    id: str = Field(description="The style's name.")
    object: Literal["style"] = "style"
    field: str = Field(description="The request's field that is its knob, -1 to 1.")
    layers: list[int] = Field(description="Layers that it steers.")
    sha256: str = Field(description="Of the vector.")
    unit: str | None = Field(description="What the knob moves.")
    problems: str | None = Field(description="What it was measured on.")
    num_problems: int | None = Field(description="How many of them.")
    spearman: float | None = Field(
        description="Rank correlation of knob and measure over the curve's points."
    )
    curve: list[CurvePointCard]
    prompting: list[PromptPointCard] = Field(description="The same asked for in words, for comparison.")


class StyleList(BaseModel):
    """Answer of `GET /v1/styles`."""

    object: Literal["list"] = "list"
    model: str
    data: list[StyleCard]
