"""What is done to a text before anything reads it, in training and in prediction alike."""

import re

BREAK = re.compile(r"\s*[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]\s*")
"""What would end a line or a column of the corpus's own files, with the spaces around it."""


def one_line(text: str) -> str:
    """The text with a space for each tab and line end, and without those at its ends."""
    return BREAK.sub(" ", text).strip() if BREAK.search(text) else text
