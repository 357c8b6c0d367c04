"""The secret's file, and proofs."""

import os
import stat
import threading

import pytest
from gimp_bridge.net import auth


def test_a_secret_is_made_once_for_its_owner_only(tmp_path):
    path = tmp_path / "state" / "secret"
    found = []
    threads = [threading.Thread(target=lambda: found.append(auth.load_secret(str(path)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1 and len(found[0]) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["secret"]


@pytest.mark.parametrize("text", ["", "00" * 31, "AB" * 32, "00" * 33, "zz" * 32, "\xff" * 64])
def test_a_bad_secret_is_refused(tmp_path, text):
    path = tmp_path / "secret"
    path.write_bytes(text.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(auth.SecretError, match="64 lower-case hex"):
        auth.load_secret(str(path))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_secret_that_others_can_read_is_refused(tmp_path, mode):
    path = tmp_path / "secret"
    path.write_text("00" * 32)
    path.chmod(mode)
    with pytest.raises(auth.SecretError, match="open to others"):
        auth.load_secret(str(path))


def test_a_secret_that_cannot_be_made_says_where(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(auth.SecretError, match="file/secret"):
        auth.load_secret(str(tmp_path / "file" / "secret"))


def test_a_proof_is_for_one_role_port_and_pair_of_nonces():
    secret, a, b = b"s" * 32, "11" * 32, "22" * 32
    right = auth.proof(secret, "daemon", 9877, a, b)
    assert auth.is_proof(right, secret, "daemon", 9877, a, b)
    for other in (
        (secret, "plugin", 9877, a, b),
        (secret, "daemon", 9878, a, b),
        (secret, "daemon", 9877, b, a),
        (b"t" * 32, "daemon", 9877, a, b),
    ):
        assert not auth.is_proof(right, *other)
    for wrong in (None, 5, "", right[:-1], right.upper(), b"x", "é" * 64):
        assert not auth.is_proof(wrong, secret, "daemon", 9877, a, b)
