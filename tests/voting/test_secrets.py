"""Keys: made once, closed to others, and refused when they are not what they should be."""

import hashlib
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from polls.board import Signer
from voting.secrets import BadKey, identity_secrets, receipt_signer
from voting.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", keys_dir=tmp_path / "keys")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_identity_secrets_are_made_once_and_rotate_by_files(settings: Settings) -> None:
    first = identity_secrets(settings)
    assert list(first) == [1]
    assert len(first[1]) == 32
    assert identity_secrets(settings) == first
    (settings.keys_dir / "identity-2").write_bytes(bytes(range(32)))
    assert identity_secrets(settings) == {1: first[1], 2: bytes(range(32))}
    assert mode(settings.keys_dir / "identity-1") == 0o600


def test_the_receipt_key_is_made_once_and_signs(settings: Settings) -> None:
    signer: Signer = receipt_signer(settings)
    made = receipt_signer(settings)
    assert signer.key_id == made.key_id == hashlib.sha256(made.public_bytes).hexdigest()[:8]
    made.public_key.verify(signer.sign(b"message"), b"message")
    with pytest.raises(InvalidSignature):
        made.public_key.verify(signer.sign(b"message"), b"other message")
    path = settings.keys_dir / f"receipt-{signer.key_id}.pem"
    assert mode(path) == 0o600
    assert mode(settings.keys_dir) == 0o700
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert repr(made) == f"Ed25519Signer({signer.key_id})"


def test_starting_at_once_makes_one_key(settings: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        signers = list(pool.map(lambda _: receipt_signer(settings), range(8)))
    assert len({signer.key_id for signer in signers}) == 1
    assert len(list(settings.keys_dir.glob("receipt-*.pem"))) == 1


def test_a_key_that_is_not_what_it_should_be_is_refused(settings: Settings) -> None:
    path = settings.keys_dir / f"receipt-{receipt_signer(settings).key_id}.pem"
    renamed = path.rename(path.with_name("receipt-00000000.pem"))
    with pytest.raises(BadKey, match="holds the key"):
        receipt_signer(settings)
    renamed.write_bytes(b"not a key")
    with pytest.raises(BadKey, match="readable"):
        receipt_signer(settings)
    other = generate_private_key(65537, 2048)
    renamed.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(BadKey, match="Ed25519"):
        receipt_signer(settings)
    renamed.chmod(0o640)
    with pytest.raises(BadKey, match="chmod 600"):
        receipt_signer(settings)
    path.write_bytes(b"")
    with pytest.raises(BadKey, match="2 receipt keys"):
        receipt_signer(settings)
