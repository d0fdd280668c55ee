"""The one place where errors end: printed for a person, turned into an exit code, never a traceback."""

from __future__ import annotations

import errno
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from itertools import pairwise, takewhile
from typing import Any, NoReturn

import typer
from typer._click.exceptions import ClickException

from promptctl import __version__, errors
from promptctl.cli.output import noting_output, report, say_json, streams_for_runner, tell, tell_error
from promptctl.errors import printable, quote
from promptctl.reports.wording import nearest

# What a full or broken disk under our output says; an error of a file of ours names the file.
_OUTPUT_FAILURES = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)
_QUOTED = re.compile(r"'([^']*)'")
_NO_CHOICE = re.compile(r"'([^']*)' is not one of (.*)")
_EXTRA = re.compile(r"unexpected extra argument\S* \((.*)\)", re.DOTALL)
_POSSIBLE = re.compile(r" \(Possible options: .*\)")
# Commands as people know them from other tools, where no likeness of letters leads to ours.
_IN_OTHER_TOOLS = {"versions": "history", "history": "log", "test": "eval", "evaluate": "eval", "check": "validate"}
_IN_OTHER_TOOLS |= dict.fromkeys(("tag", "tags", "promote"), "label")
_PLAINER = {"a valid int range": "a whole number", "a valid int": "a whole number", "a valid float range": "a number"}


def run_guarded(command: Callable[..., Any], arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code. With --json a failure is a document, too, unless one was printed."""
    given = list(takewhile("--".__ne__, sys.argv if arguments is None else arguments))
    is_json = not {"--json", "--format=json"}.isdisjoint(given) or ("--format", "json") in pairwise(given)
    with noting_output() if is_json else nullcontext() as printed, streams_for_runner():
        status, error = _run(command, arguments)
        if is_json and error is not None and not printed:
            with suppress(OSError):  # the exit code has to do
                from promptctl.cli.checks import failure_as_dict  # here, since most commands do not fail

                say_json(failure_as_dict([error]))
        return status


def _run(command: Callable[..., Any], arguments: Sequence[str] | None) -> tuple[int, errors.PromptctlError | None]:
    """Return how a command ended, and the error that it was, which has been told."""
    try:
        try:
            result = command(args=list(arguments) if arguments is not None else None, standalone_mode=False)
        except typer.Exit as finished:
            result = finished.exit_code
        sys.stdout.flush()
    except errors.PromptctlError as error:
        tell_error(error)
        return error.exit_code, error
    except (KeyboardInterrupt, typer.Abort):
        result = errors.INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return errors.BROKEN_PIPE, None
    except SystemExit as ended:
        # So Typer ends a command whose output nobody reads any more.
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        _drop_output()
        return errors.BROKEN_PIPE, None
    except OSError as error:
        return _tell_system(error, arguments)
    except ClickException as error:
        return _tell_usage(error, sys.argv if arguments is None else arguments)
    except Exception as error:
        return _tell_bug(error, arguments)
    if result == errors.INTERRUPTED:  # Typer makes it of Ctrl-C, without a word
        tell("interrupted")
    return result if isinstance(result, int) else errors.OK, None


def _tell_system(error: OSError, arguments: Sequence[str] | None) -> tuple[int, errors.PromptctlError | None]:
    """Say what the system refused: a name that is too long, or our output; anything else is a bug."""
    if error.errno == errno.ENAMETOOLONG and error.filename is not None:
        told = errors.UsageError(f"{printable(os.fsdecode(error.filename))}: the name is too long for a file")
        tell_error(told)
        return told.exit_code, told
    if error.errno not in _OUTPUT_FAILURES or error.filename is not None:
        return _tell_bug(error, arguments)
    _drop_output()
    tell_error(errors.WorkspaceError(f"the output cannot be written: {error.strerror}"))
    return errors.WORKSPACE, None


def run_program(command: Callable[..., Any]) -> int:
    """Run the program itself, guarded in the same way, whatever streams and arguments it was started with."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open to the end
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # a library's words to its developers can quote what it was given
    wrong = next((argument for argument in sys.argv[1:] if not _is_text(argument)), None)
    if wrong is not None:
        tell_error(errors.UsageError(f"the argument {wrong!r} is not text in this terminal's encoding"))
        return errors.USAGE
    return run_guarded(command)


def leave(status: int) -> NoReturn:
    """End the program with everything saved and said, and nothing freed.

    Taking the interpreter down object by object takes 30 ms of every command, and a second once LiteLLM is loaded; the
    system does it at once. A command that was interrupted ends the long way: a thread may still be saving.
    """
    if status == errors.INTERRUPTED:
        sys.exit(status)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            status = status or errors.BROKEN_PIPE
        except (OSError, ValueError):
            status = status or errors.WORKSPACE
    os._exit(status)


def _is_text(argument: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in argument)


def _drop_output() -> None:
    """Leave unwritten what could not be written: a second failure at exit would print a traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell_usage(error: Any, arguments: Sequence[str]) -> tuple[int, errors.UsageError | None]:
    if type(error).__name__ == "NoArgsIsHelpError":
        for line in error.format_message().splitlines():
            tell(line)
        return errors.USAGE, None
    message, meant = _usage_words(error)
    context = getattr(error, "ctx", None)
    hint: str | None = f"{context.command_path if context else 'promptctl'} --help"
    if context and (found := _EXTRA.search(error.format_message())):
        extra = max((each for each in arguments if f"{found[1]} ".startswith(f"{each} ")), key=len, default=found[1])
        message = f"`{errors.printable(extra)}` is one argument too many"
        if context.command.name in ("run", "render"):
            name, equals, _ = extra.partition("=")
            hint = f"inputs are given by name: -i {'' if equals and name.isidentifier() else 'NAME='}{quote(extra)}"
        elif option := _as_prompt(context.command, extra):
            hint = f"did you mean `{option}`? {hint}"
    elif context and type(error).__name__ == "MissingParameter" and error.param is not None:
        hint = f"{error.param.help}\n{hint}"
    elif context:
        if not meant and "No such command" in error.format_message():
            given = _QUOTED.findall(error.format_message())
            meant = [option for each in given if (option := _as_prompt(context.command, each))]
        question = f"did you mean {' or '.join(f'`{each}`' for each in meant)}? " if meant else ""
        hint = _place_of_option(error, context, arguments) or f"{question}{hint}"
    told = errors.UsageError(message, hint=hint)
    tell_error(told)
    return int(getattr(error, "exit_code", errors.USAGE)) or errors.USAGE, told


def _as_prompt(command: Any, word: str) -> str | None:
    """Return the option that names a word as the prompt; None if it has none, or no prompt is so named."""
    has_option = any("--prompt" in each.opts for each in command.params)
    return f"--prompt {quote(word)}" if has_option and word and not word.startswith("-") else None


def _place_of_option(error: Any, context: Any, arguments: Sequence[str]) -> str | None:
    """Return how to give an option that the program has and the command has not, or the other way round, else None."""
    name, root = getattr(error, "option_name", None), context.find_root()
    if name is not None and context is root:
        given = next((each for each in arguments if each in root.command.list_commands(root)), None)
        after = given and root.command.get_command(root, given)
        has_it = after and any(name in each.opts for each in after.params)
        return f"it goes after the command: {root.command_path} {given} {name}" if has_it else None
    option = next((each for each in root.command.params if name in each.opts), None)
    if option is None:
        return None
    before = f"{root.command_path} {name}" + ("" if option.is_flag else f" {option.metavar}")
    command = context.command_path.removeprefix(root.command_path).strip()
    return f"it goes before the command: {before}" + (f" {command} …" if option.metavar else "")


def _usage_words(error: Any) -> tuple[str, list[str]]:
    """Return the library's message with names in backticks, and the nearest of the words it would have taken."""
    message, _, meant = _POSSIBLE.sub("", error.format_message()).partition(" Did you mean ")
    near = _options_with_a_word(error) or [*(getattr(error, "possibilities", None) or ()), *_QUOTED.findall(meant)]
    if message.startswith("No such command"):
        known = error.ctx.command.list_commands(error.ctx)
        theirs = _QUOTED.findall(message)
        near = [_IN_OTHER_TOOLS[each] for each in theirs if _IN_OTHER_TOOLS.get(each) in known] or near
    if wrong := _NO_CHOICE.search(message):
        near = nearest(wrong[1], _QUOTED.findall(wrong[2]))
    for words, ours in _PLAINER.items():
        message = message.replace(words, ours)
    return _QUOTED.sub(r"`\1`", message[:1].lower() + message[1:].removesuffix(".")), near


def _options_with_a_word(error: Any) -> list[str]:
    """Return the options that share a long word with one that is missing, and is like none: in their names, else in their help."""
    context, wrong = getattr(error, "ctx", None), getattr(error, "option_name", None)
    if context is None or wrong is None:
        return []
    if nearest(wrong, [name for each in context.command.params for name in each.opts], mistakes=2):
        return []  # a slip of the finger
    words = {word for word in wrong.strip("-").split("-") if len(word) >= 5}
    options = [each for each in context.command.params if getattr(each, "help", None) and not each.hidden]
    named = [each for each in options if words & {word for name in each.opts for word in name.strip("-").split("-")}]
    found = named or [each for each in options if words & set(re.findall("[a-z]+", each.help.lower()))]
    return [max(each.opts, key=len) for each in found[:3]]


def _tell_bug(error: Exception, arguments: Sequence[str] | None) -> tuple[int, errors.PromptctlError]:
    from promptctl.reports.bug import save_traceback

    given = sys.argv if arguments is None else arguments  # one of them may name the workspace
    folders = [".", *(text.removeprefix("-C").removeprefix("--workspace=") for text in given)]
    try:
        hint = f"please report it with the traceback saved in {save_traceback(error, os.environ, folders)}"
    except OSError as failure:
        hint = f"its traceback could not be saved ({failure.strerror}); make room and run the command again"
    bug = errors.PromptctlError(f"{type(error).__name__} in promptctl {__version__}", hint=hint)
    report("bug", bug.message, hint=hint)
    return errors.BUG, bug
