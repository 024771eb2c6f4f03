"""Typed parameters as command-line options, and errors as one sentence and an exit code."""

import inspect
import shlex
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from typer.exceptions import TyperException

from distilrnn.errors import InputError, RunError, optional_imports

INTERRUPTED = 130
"""The exit code that typer makes of Ctrl-C."""


def _leaves(section: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Every field of a section and of the sections inside it."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _leaves(field.annotation)
        else:
            yield name, field


def _gather(section: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    """The flat option values as the nested values of a section."""
    nested = {}
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            nested[name] = _gather(field.annotation, values)
        else:
            nested[name] = values[name]
    return nested


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    default = field.get_default(call_default_factory=True)
    annotation: Any = field.annotation
    if isinstance(default, tuple):
        annotation, default = list[str], list(default)
    elif any(get_origin(kind) is tuple for kind in get_args(annotation)):  # a tuple or None
        annotation = list[str] | None
    help_text = field.description or ""
    if default is None:
        help_text += " [default: none]"
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[annotation, typer.Option(help=help_text, show_default=default is not None)],
    )


def with_params(**sections: type[BaseModel]) -> Callable[[Callable], Callable]:
    """Give a command an option for every field of some sections of params.yaml, and hand it the checked sections.

    `@with_params(training=TrainingParams)` on `def main(output: Path, *, training)` yields `--epochs`,
    `--batch-size`, … with the descriptions and defaults of the typed parameters, which so have one definition.
    """

    def decorate(command: Callable) -> Callable:
        own = [p for p in inspect.signature(command).parameters.values() if p.name not in sections]
        options = [_option(name, f) for section in sections.values() for name, f in _leaves(section)]

        def wrapper(**values: Any) -> Any:  # noqa: ANN401 - typer passes what the options say
            given = {p.name: values[p.name] for p in own}
            for name, section in sections.items():
                try:
                    given[name] = section.model_validate(_gather(section, values))
                except ValidationError as error:
                    raise InputError(_sentence(error)) from None
            return command(**given)

        keyword_only = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        wrapper.__signature__ = inspect.Signature(keyword_only + options)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in keyword_only + options}
        wrapper.__doc__ = command.__doc__
        wrapper.__name__ = command.__name__
        return wrapper

    return decorate


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return message
    option = "--" + str(first["loc"][-1] if isinstance(first["loc"][-1], str) else first["loc"][-2]).replace("_", "-")
    return f"{option} is {first['input']!r}: {message[0].lower()}{message[1:]}"


def options(*sections: BaseModel) -> str:
    """The sections as a shell-quoted string of options, as `with_params` reads them; unset values are left out."""
    words = []
    for section in sections:
        for name, value in _values(section):
            option = "--" + name.replace("_", "-")
            if isinstance(value, bool):
                words.append(option if value else f"--no-{name.replace('_', '-')}")
            elif isinstance(value, tuple):
                words += [f"{option}={item}" for item in value]
            elif value is not None:
                words.append(f"{option}={value}")
    return shlex.join(words)


def _values(section: BaseModel) -> Iterator[tuple[str, Any]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _values(value)
        else:
            yield name, value


def run(command: Callable | typer.Typer) -> None:
    """Run a command or an app: InputError is one sentence and exit code 2, RunError one sentence and exit code 1."""
    if not isinstance(command, typer.Typer):
        app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        app.command()(command)
        command = app
    try:
        with optional_imports():
            code = command(standalone_mode=False)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except TyperException as error:  # an option that Typer itself refuses
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        print(f"error: {message.rstrip('.')}: `--help` lists the options", file=sys.stderr)
        sys.exit(2)
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    if code == INTERRUPTED:  # what Typer makes of Ctrl-C
        print("interrupted: run the same command again to go on", file=sys.stderr)
    sys.exit(code or 0)
