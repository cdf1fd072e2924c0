"""What a provider or hook in Python uses beside the generated `wit_world`: errors, commands, configuration.

The generated modules are the contract itself, as `wit/` has it; nothing here hides them.
"""

import json
from types import SimpleNamespace

from componentize_py_types import Err
from wit_world.imports import process, types

__all__ = [
    "config", "denied", "exhausted", "failed", "gone", "invalid", "output", "run_in", "succeed", "text", "unavailable",
    "unsupported",
]


def _error(case):
    def make(message: str, remedy: str | None = None) -> Err:
        return Err(case(types.Failure(message, remedy)))

    return make


def _retryable(case):
    def make(message: str, remedy: str | None = None, retry_after_ms: int | None = None) -> Err:
        return Err(case(types.Retryable(message, remedy, retry_after_ms)))

    return make


# Raise them: `raise failed("the disk is full", "free some room")`. The kind decides what the host does next.
invalid = _error(types.Error_Invalid)
denied = _error(types.Error_Denied)
exhausted = _retryable(types.Error_Exhausted)
unavailable = _retryable(types.Error_Unavailable)
gone = _error(types.Error_Gone)
unsupported = _error(types.Error_Unsupported)
failed = _error(types.Error_Failed)


def config(ctx: types.Context) -> SimpleNamespace:
    """The source's configuration, one attribute per key; dashes become underscores.

    The host has validated it by the manifest's schema and filled in the defaults. A key with neither value nor
    default is absent: `getattr(config(ctx), "key", None)`.
    """
    return SimpleNamespace(**{key.replace("-", "_"): value for key, value in json.loads(ctx.config).items()})


def text(raw: bytes) -> str:
    """What a program printed, without the last line break."""
    return raw.decode(errors="replace").rstrip("\r\n")


def output(*argv: str | bytes, stdin: bytes = b"", env: dict[str, str] | None = None) -> process.Captured:
    """Runs a program, with more variables in its environment, and answers what it printed and how it ended, whatever that was."""
    raw = [arg.encode() if isinstance(arg, str) else arg for arg in argv]
    variables = [(name, value.encode()) for name, value in (env or {}).items()]
    return process.output(types.Command(argv=raw, env=variables, cwd=None, tty=False, id=""), stdin)


def succeed(*argv: str | bytes, stdin: bytes = b"") -> str:
    """The same for a program that must end with code 0: what it printed. Otherwise raises `failed`."""
    captured = output(*argv, stdin=stdin)
    if captured.status != types.ExitStatus_Code(0):
        name = argv[0] if isinstance(argv[0], str) else text(argv[0])
        complaint = text(captured.stderr).rpartition("\n")[2]
        raise failed(f"`{name}` {_ended(captured.status)}" + (f": {complaint}" if complaint else ""))
    return text(captured.stdout)


def run_in(directory: str, command: types.Command, io: process.Stdio, *prefix: str) -> types.ExitStatus:
    """Runs the caller's command, behind the words of `prefix`, in `directory` unless the caller named another.

    The caller's own streams are connected to it; nothing passes through here.
    """
    command.argv = [word.encode() for word in prefix] + command.argv
    if command.cwd is None:
        command.cwd = directory.encode()
    elif not command.cwd.startswith(b"/"):
        command.cwd = directory.encode() + b"/" + command.cwd
    return process.exec(command, io)


def _ended(status: types.ExitStatus) -> str:
    if isinstance(status, types.ExitStatus_Code):
        return f"ended with code {status.value}"
    return f"was killed by signal {status.value}"
