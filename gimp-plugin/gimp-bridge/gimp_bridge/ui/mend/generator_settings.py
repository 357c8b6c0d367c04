"""Declares an image generator in gimp-bridge's settings, as a person would by hand: nothing else of them changes, and what
does not read afterwards is not written. Never imports Gimp."""

import os
import re
import sys
import tempfile

from gimp_bridge.core.errors import OperationError

FILE = "gimp-bridge.toml"
BACKENDS = "generators.toml"  # where none is named yet
# kind → what a person knows it by, where it usually is, and its name in the dialogs
SERVERS = {
    "a1111": ("Stable Diffusion web UI (Automatic1111, Forge, SD.Next)", "http://127.0.0.1:7860", "webui"),
    "comfyui": ("ComfyUI", "http://127.0.0.1:8188", "comfyui"),
    "openai": ("OpenAI, or a server with its protocol (LocalAI, vLLM)", "http://127.0.0.1:8080/v1", "server"),
    "kserve-v1": ("A model on KServe", "http://127.0.0.1:8080/v1/models/stable-diffusion", "kserve-model"),
}
_ADDRESS = re.compile(r"https?://[^\s/]+(/\S*)?\Z")
_KEY = re.compile(r"[\x21-\x7e]+\Z")  # what fits into a header
_HEADING = re.compile(r"^[ \t]*\[\[[ \t]*backend[ \t]*\]\][^\n]*(\n|\Z)", re.M)


def settings_file(environ=os.environ, platform=sys.platform):
    """Where gimp-bridge reads its settings."""
    if environ.get("GIMP_BRIDGE_CONFIG"):
        return environ["GIMP_BRIDGE_CONFIG"]
    home = environ.get("HOME") or os.path.expanduser("~")
    if platform == "darwin":
        folder = os.path.join(home, "Library", "Application Support")
    elif platform == "win32":
        folder = environ.get("APPDATA") or os.path.join(home, "AppData", "Roaming")
    else:
        folder = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    return os.path.join(folder, "gimp-bridge", FILE)


def is_address(text):
    return bool(_ADDRESS.match(text.strip()))


def is_key(text):
    return bool(_KEY.match(text))


def declare(kind, address, workflow=None, key=None, path=None):
    """Adds a generator; its name. `workflow` is ComfyUI's file. Raises OperationError."""
    path = path or settings_file()
    text = _read(path)
    backends = _named(path, _parsed(path, text))
    if backends is None:
        backends = os.path.join(os.path.dirname(path), BACKENDS)
        text = _with_backends(text, backends)
        if _named(path, _parsed(path, text)) != backends:
            raise _unreadable(path, "`generate.backends` could not be added")
    else:
        text = None
    old = _read(backends)
    taken = _names(backends, _parsed(backends, old)) | {"kserve"}
    usual = SERVERS[kind][2]
    name = next(each for each in [usual, *(f"{usual}-{n}" for n in range(2, 100))] if each not in taken)
    lines = ["[[backend]]", f"name = {_quoted(name)}", f"kind = {_quoted(kind)}", f"url = {_quoted(address.strip())}"]
    if workflow:
        lines.append(f"workflow = {_quoted(workflow)}")
    if key:
        lines.append(f"token_file = {_quoted(_key_file(name))}")
    new = old + ("\n" if old and not old.endswith("\n") else "") + ("\n" if old else "") + "\n".join(lines) + "\n"
    if name not in _names(backends, _parsed(backends, new)):
        raise _unreadable(backends, "the generator could not be added")
    if key:
        _write(os.path.join(os.path.dirname(backends), _key_file(name)), f"{key}\n")
    _write(backends, new)
    if text is not None:
        _write(path, text)
    return name


def check_key(name, path=None, environ=os.environ):
    """Raises OperationError where a key that is kept here would not be used."""
    variable = "GIMP_BRIDGE_TOKEN_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
    declared = _declared(path or settings_file(), name)[2]
    if environ.get(variable, "").strip() or declared is None:
        message, hint = f"the token of `{name}` comes from `{variable}`", "set it in the environment"
        raise OperationError("config", message, hint, reason="key_in_environment", other=variable)


def give_key(name, key, path=None):
    """Keeps the key of a generator that is declared in the file of the settings. Raises OperationError."""
    backends, place, row = _declared(path or settings_file(), name)
    named = row.get("token_file")
    if named is not None and not isinstance(named, str):
        raise _unreadable(backends, "`token_file` is no path")
    file = named or _key_file(name)
    if named is None:
        old = _read(backends)
        rows = _parsed(backends, old)["backend"]
        rows[place] = {**row, "token_file": file}
        ends = [heading.end() for heading in _HEADING.finditer(old)]
        head, rest = (old[: ends[place]], old[ends[place] :]) if place < len(ends) else (old, "")
        new = head + ("" if head.endswith("\n") else "\n") + f"token_file = {_quoted(file)}\n" + rest
        if _parsed(backends, new).get("backend") != rows:
            raise _unreadable(backends, "`token_file` could not be added")
    _write(os.path.join(os.path.dirname(backends), file), f"{key}\n")
    if named is None:
        _write(backends, new)


def _declared(path, name):
    """(the file with the generators, the place among them of the one of this name, its table); (None, None, None)."""
    backends = _named(path, _parsed(path, _read(path)))
    if backends is None:
        return None, None, None
    declared = _parsed(backends, _read(backends))
    _names(backends, declared)
    rows = declared.get("backend", [])
    found = next(((place, row) for place, row in enumerate(rows) if row.get("name") == name), (None, None))
    return backends, *found


def _key_file(name):
    return f"{name}.token"


def _named(path, settings):
    """The file with the generators that the settings name, or None."""
    table = settings.get("generate", {})
    named = table.get("backends") if isinstance(table, dict) else 0
    if named is not None and not isinstance(named, str):
        raise _unreadable(path, "`generate` is no table, or its `backends` no path")
    return named and os.path.join(os.path.dirname(path), os.path.expanduser(named))


def _names(path, declared):
    rows = declared.get("backend", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _unreadable(path, "`backend` is no list of tables")
    return {row.get("name") for row in rows}


def _with_backends(text, backends):
    line = f"backends = {_quoted(backends)}\n"
    table = re.search(r"^\[generate\][^\n]*(\n|\Z)", text, re.M)
    if table is None:
        return text + ("\n" if text and not text.endswith("\n") else "") + ("\n" if text else "") + f"[generate]\n{line}"
    head = text[: table.end()]
    return head + ("" if head.endswith("\n") else "\n") + line + text[table.end() :]


def _quoted(text):
    """A TOML string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found.group()):04x}", escaped) + '"'


def _parsed(path, text):
    import tomllib  # GIMP's Python has it from 3.11 on; nothing else needs it

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _unreadable(path, str(error)) from error


def _unreadable(path, why):
    return OperationError("config", f"`{path}`: {why}", "correct it by hand", reason="settings_unreadable", other=path)


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(error)) from error


def _write(path, text):
    folder = os.path.dirname(os.path.realpath(path))
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        handle, new = tempfile.mkstemp(prefix=".gimp-bridge-", dir=folder)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(new, os.path.realpath(path))
    except OSError as error:
        raise OperationError("io_error", f"cannot write `{path}`: {error}", reason="settings_unwritable", other=path) from error
