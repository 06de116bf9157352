"""Reading the parts of a bundle that only people look at: JSON files with a format number of their own."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from monitors.errors import BundleError

Part = TypeVar("Part", bound=BaseModel)


class _Numbered(BaseModel):
    format: int = 0


def parse_part(model: type[Part], raw_part: bytes, source: str, newest: int) -> Part:
    """What a file holds, as the model says. Raises BundleError; a newer format is told before all else, since
    fields that are not known may be that format's."""
    try:
        number = _Numbered.model_validate_json(raw_part).format
        if number > newest:
            raise BundleError(f"{source} has format {number}; this forewarn reads up to {newest}: upgrade it")
        return model.model_validate_json(raw_part)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise BundleError(f"{source} holds nothing that this forewarn reads: {reason}") from None
