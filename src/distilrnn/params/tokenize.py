"""The tokenize section of params.yaml."""

from pydantic import Field

from distilrnn.params.common import Name, Section


class TokenizeParams(Section):
    """How sentences become token ids."""

    max_length: int | None = Field(None, ge=1, description="Longest sentence in tokens; the rest is cut, and counted.")
    tokenizers: dict[Name, str] = Field(
        {}, description="Tokenizers beside the bases' own, by name: a folder or a tokenizer.json."
    )
