"""Encryption at rest."""

import pytest

from understage.errors import ServiceUnavailableError
from understage.scaffolder.cipher import Cipher

SECRET = {"token": "hunter2-and-more"}


def test_what_is_encrypted_comes_back_and_never_looks_the_same() -> None:
    cipher = Cipher(b"key")
    first, second = cipher.encrypt_json(SECRET, "t/secrets"), cipher.encrypt_json(SECRET, "t/secrets")
    assert cipher.decrypt_json(first, "t/secrets") == cipher.decrypt_json(second, "t/secrets") == SECRET
    assert first != second
    assert b"hunter2" not in first


@pytest.mark.parametrize(("key", "place"), [(b"another", "t/secrets"), (b"key", "u/secrets"), (b"key", "t/steps/s1")])
def test_another_key_or_place_does_not_open_it(key: bytes, place: str) -> None:
    sealed = Cipher(b"key").encrypt_json(SECRET, "t/secrets")
    with pytest.raises(ServiceUnavailableError, match=r"understage\.encryptionKey"):
        Cipher(key).decrypt_json(sealed, place)


def test_a_changed_byte_is_noticed() -> None:
    sealed = bytearray(Cipher(b"key").encrypt_json(SECRET, "t/secrets"))
    sealed[-1] ^= 1
    with pytest.raises(ServiceUnavailableError):
        Cipher(b"key").decrypt_json(bytes(sealed), "t/secrets")


def test_there_is_no_encryption_without_a_key() -> None:
    with pytest.raises(ValueError, match="key is needed"):
        Cipher(b"")
