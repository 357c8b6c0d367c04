"""A client's Python code: from the call's arguments to a compiled script, and from its exception to an error.

Never imports Gimp.
"""

import collections
import re
import textwrap
import traceback

from gimp_bridge.core.errors import OperationError
from gimp_bridge.scripting import baseline as exec_baseline, purity

CONSOLE, EVAL = "pyGObject-console", "pyGObject-eval"
_MODES = {CONSOLE: "exec", EVAL: "eval"}
_CACHED = 256
_MAX_FRAMES = 12
_MAX_TEXT = 10_000  # of an exception's message

# What people and models write from GIMP 2 habit, and what GIMP 3 has instead.
_HINTS = (
    ("get_active_layer", "it is a method of an image: `image.get_active_layer()`"),
    ("get_active_drawable", "use `image.get_selected_drawables()[0]`"),
    ("get_active_image", "use `Gimp.get_images()`, newest first"),
    ("list_images", "use `Gimp.get_images()`"),
    ("gimpfu", "GIMP 3 has no gimpfu: use `from gi.repository import Gimp` (it is imported already)"),
    ("file_new_for_path", "use `Gio.File.new_for_path(path)`"),
    ("'pdb' is not defined", "use `Gimp.get_pdb()`, or call_api with the procedure's name"),
)


_FUNCTION = re.compile(r"Gimp(\.[A-Za-z_][A-Za-z0-9_]*)+")


def of_function(api_path, args, kwargs):
    """`exec` arguments that call a function of GIMP's API by its name, such as `Gimp.version`; None for another name."""
    if not _FUNCTION.fullmatch(api_path):
        return None
    given = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items() if name.isidentifier())]
    return [EVAL, [f"{api_path}({', '.join(given)})"]]


class Script:
    """Compiled code. `verdict` says whether it can change anything, `may_patch` whether it may replace others' code."""

    def __init__(self, number, kind, source):
        self.kind, self.source = kind, source
        self.filename = f"<script {number}>"
        mode = _MODES[kind]
        self.code = compile(source, self.filename, mode, dont_inherit=True)
        self.verdict = purity.judge(source, mode)
        self.may_patch = exec_baseline.may_patch(source, mode)


class Scripts:
    """The scripts that ran last, so that a repeated call compiles nothing. Also finds source lines for tracebacks."""

    def __init__(self):
        self._by_source = collections.OrderedDict()
        self._lines = {}  # filename → source lines
        self._count = 0

    def get(self, args):
        """The Script for call_api's `args`; raises OperationError."""
        kind, source = _parse(args)
        key = (kind, source)
        script = self._by_source.get(key)
        if script is None:
            self._count += 1
            try:
                script = Script(self._count, kind, source)
            except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
                raise _syntax_error(error, kind, source) from None
            self._by_source[key] = script
            self._lines[script.filename] = source.split("\n")
            while len(self._by_source) > _CACHED:
                _, old = self._by_source.popitem(last=False)
                del self._lines[old.filename]
        self._by_source.move_to_end(key)
        return script

    def error(self, exception, script):
        """The `python_error` for what `script` raised; the caller adds the output."""
        frames = [
            f for f in traceback.extract_tb(exception.__traceback__, limit=-1000) if f.filename.startswith("<script ")
        ]
        here = [f for f in frames if f.filename == script.filename]
        line = here[-1].lineno if here else None
        shown = frames if len(frames) <= _MAX_FRAMES else frames[: _MAX_FRAMES // 2] + frames[-_MAX_FRAMES // 2 :]
        rows = [self._row(f, script) for f in shown]
        if len(shown) < len(frames):
            rows.insert(_MAX_FRAMES // 2, f"  … {len(frames) - len(shown)} more")
        return python_error(
            type(exception).__name__, _message(exception), line, self._text(script.filename, line), rows
        )

    def _row(self, frame, script):
        where = (
            f"line {frame.lineno}" if frame.filename == script.filename else f"line {frame.lineno} of an earlier call"
        )
        text = self._text(frame.filename, frame.lineno)
        return f"  {where}, in {frame.name}" + (f": {text}" if text else "")

    def _text(self, filename, line):
        lines = self._lines.get(filename, ())
        return lines[line - 1].strip()[:500] if line and line <= len(lines) else None


def _parse(args):
    """(kind, source) from ["pyGObject-console", ["line", …]]; one string instead of the list is fine too."""
    if len(args) != 2 or args[0] not in _MODES:
        raise OperationError(
            "invalid_argument", f'`exec` needs args ["{CONSOLE}" or "{EVAL}", [code, …]], not {str(args)[:200]}'
        )
    lines = [args[1]] if isinstance(args[1], str) else args[1]
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise OperationError("invalid_argument", "`exec`: args[1] must be a list of strings of Python code")
    source = textwrap.dedent("\n".join(lines))
    return args[0], source.strip() if args[0] == EVAL else source


def python_error(kind, message, line, text, rows):
    """Message for people; type, message, line, text and traceback for programs."""
    where = f" (line {line}: `{text}`)" if text else ""
    hint = next((hint for habit, hint in _HINTS if habit in message), None)
    error = OperationError("python_error", f"{kind}: {message}{where}", hint)
    shown = "\n".join(["Traceback:", *rows, f"{kind}: {message}"])
    error.details = {"type": kind, "message": message, "line": line, "text": text, "traceback": shown}
    return error


def _message(exception):
    try:
        return str(exception)[:_MAX_TEXT]
    except Exception as problem:  # a client's own __str__
        return f"(its text cannot be shown: {type(problem).__name__})"


def _syntax_error(error, kind, source):
    if not isinstance(error, SyntaxError):
        return python_error(type(error).__name__, _message(error), None, None, [])
    lines = source.split("\n")
    text = lines[error.lineno - 1].strip()[:500] if error.lineno and error.lineno <= len(lines) else None
    answer = python_error(type(error).__name__, error.msg, error.lineno, text, [])
    if kind == EVAL and answer.hint is None:
        answer.hint = f"{EVAL} takes one expression; use {CONSOLE} for statements"
    return answer
