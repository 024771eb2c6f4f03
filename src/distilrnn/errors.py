"""The two errors that reach a person as one sentence."""


class InputError(Exception):
    """Input that cannot be used: the message says what is wrong, where, and what to do (exit code 2)."""


class RunError(Exception):
    """A run that cannot go on though its input is good: the message says what happened and what to do (exit code 1)."""
