"""Typed records: what is written as JSON, and read back, has one model each."""

from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    JsonValue,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from distilrnn.artifacts.files import read_json, write_json
from distilrnn.errors import InputError
from distilrnn.params.splits import require_splits

Value = TypeVar("Value")
BySplit = Annotated[dict[str, Value], BeforeValidator(require_splits)]
"""Something for each split of a corpus."""
Settings = dict[str, JsonValue]
"""Parameters as they were when a file was made: for people and for comparison, not to be used again."""


class Record(BaseModel):
    """A record that is written as JSON and read back: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FileRecord(Record):
    """What a JSON file, or the header of a tensor file, holds; keys of another version are passed over.

    What was not given is not written: a default stands for a key that only some files have.
    """

    model_config = ConfigDict(extra="ignore")

    @model_serializer(mode="wrap")
    def _given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if key in self.model_fields_set}

    def to_json(self) -> dict[str, Any]:
        """As it is written, in the order of the fields."""
        return self.model_dump(mode="json")

    def write(self, path: Path) -> None:
        """Write the record as JSON, atomically; raises RunError."""
        write_json(path, self.to_json())

    @classmethod
    def read(cls, path: Path) -> Self:
        """The record in a JSON file; raises InputError, with what is missing or wrong."""
        return cls.parse(read_json(path), path)

    @classmethod
    def parse(cls, values: object, path: Path) -> Self:
        """The record of these values, which stand in `path`; raises InputError."""
        try:
            return cls.model_validate(values if isinstance(values, dict) else {})
        except ValidationError as error:
            raise InputError(f"{path}: {_wrong(error)}: make it again") from None


def _wrong(error: ValidationError) -> str:
    """What is missing, or the first value that is wrong."""
    errors = error.errors(include_url=False)
    keys = {".".join(map(str, one["loc"])): one for one in errors}
    missing = [key for key, one in keys.items() if one["type"] == "missing"]
    if missing:
        return f"lacks {', '.join(missing)}"
    key, first = next(iter(keys.items()))
    message = first["msg"].removeprefix("Value error, ")
    return message if first["type"] == "value_error" else f"{key}: {message[:1].lower()}{message[1:]}"
