"""The shared secret and the proofs made from it. Never imports Gimp, never logs a secret."""

import hashlib
import hmac
import os
import re
import secrets
import stat
import tempfile

PROTOCOL = 1
_HEX32 = re.compile(r"[0-9a-f]{64}")


def is_hex32(value):
    """Whether `value` is 32 bytes in lower-case hex: the form of nonces, proofs and the secret file."""
    return isinstance(value, str) and _HEX32.fullmatch(value) is not None


def new_nonce():
    """A challenge that was never used before."""
    return secrets.token_hex(32)


def proof(secret, role, port, daemon_nonce, plugin_nonce):
    """What a party of `role` (`daemon` or `plugin`) sends to show that it knows `secret` (bytes)."""
    text = f"gimp-bridge/{PROTOCOL} {role} {port} {daemon_nonce} {plugin_nonce}"
    return hmac.new(secret, text.encode("utf-8"), hashlib.sha256).hexdigest()


def is_proof(given, secret, role, port, daemon_nonce, plugin_nonce):
    """Whether `given` is that proof; compared in constant time."""
    expected = proof(secret, role, port, daemon_nonce, plugin_nonce)
    return is_hex32(given) and hmac.compare_digest(given, expected)


class SecretError(Exception):
    """The secret cannot be used; the text says where and what to do."""


def load_secret(path):
    """The secret's bytes; makes the file, readable by its owner only, if there is none."""
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise SecretError(f"cannot read the secret `{path}`: {error.strerror}") from error
    try:
        _create(path)
        return _read(path)  # the daemon may have been first: what is in the file counts
    except OSError as error:
        raise SecretError(f"cannot make the secret `{path}`: {error.strerror}") from error


def _read(path):
    with open(path, "rb") as file:
        info = os.fstat(file.fileno())
        text = file.read(200).strip()
    if os.name == "posix":
        if info.st_uid != os.getuid():
            raise SecretError(f"the secret `{path}` belongs to another user (uid {info.st_uid}); remove it")
        if info.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SecretError(
                f"the secret `{path}` is open to others (mode {stat.S_IMODE(info.st_mode):04o}); "
                "remove it, a new one is made"
            )
    value = text.decode("ascii", "replace")
    if not is_hex32(value):
        raise SecretError(f"the secret `{path}` is not 64 lower-case hex characters; remove it, a new one is made")
    return bytes.fromhex(value)


def _create(path):
    """Whole or not at all, and never over an existing one: link() fails if another process was first."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".secret-", dir=folder)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
        try:
            if os.name == "posix":
                os.link(draft, path)
            else:
                os.rename(draft, path)  # fails on Windows if it exists
        except FileExistsError:
            pass
    finally:
        if os.path.exists(draft):
            os.unlink(draft)
