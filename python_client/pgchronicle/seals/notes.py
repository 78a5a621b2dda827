"""Signed notes, as in c2sp.org/signed-note: a text, an empty line, and a line for each signature.

Keys are Ed25519. Their text forms are those of the Go package golang.org/x/mod/sumdb/note, so its
tools and those of others read them.
"""

import base64
import os
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pgchronicle.errors import ChronicleError, VerificationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_ED25519 = b"\x01"
_KEY_SIZE = 32
_ID_SIZE = 4
_PRIVATE = "PRIVATE+KEY+"
_DASH = "\N{EM DASH} "
_MOST_SIGNATURES = 100


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """What verifies the notes of a key. It is no secret, but has to come from whom one trusts.

    Args:
        name: of the key, best an address without its scheme: ``acme.example/log``.
        public_key: 32 bytes.

    Raises:
        ValueError: the name or the key can not be one.
    """

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.public_key) != _KEY_SIZE:
            raise ValueError(f"a public key has {_KEY_SIZE} bytes, not {len(self.public_key)}")

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell it from other keys of the name; they prove nothing."""
        return sha256(f"{self.name}\n".encode() + _ED25519 + self.public_key).digest()[:_ID_SIZE]

    def text(self) -> str:
        """The key as ``<name>+<hex of its ID>+<base64>``."""
        return f"{self.name}+{self.key_id.hex()}+{_base64(_ED25519 + self.public_key)}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The key that ``text`` wrote.

        Raises:
            VerificationError: it is no such key, or not as it was written.
        """
        if text.startswith(_PRIVATE):
            raise VerificationError(
                "that is a private key, where the one to verify with belongs",
                hint="If others have seen it, it signs for them as well: make a new one.",
            )
        name, public_key = _parts(text)
        try:
            key = cls(name, public_key)
        except ValueError as error:
            raise _no_key() from error
        if key.text() != text:
            raise _no_key()
        return key

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature is that of the message by this key."""
        with _extra():
            from cryptography.exceptions import InvalidSignature
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs notes. Whoever has it can sign another log: it belongs in no database.

    Args:
        name: of the key, best an address without its scheme: ``acme.example/log``.
        seed: the secret, 32 bytes.

    Raises:
        ValueError: the name or the secret can not be one.
    """

    name: str
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.seed) != _KEY_SIZE:
            raise ValueError(f"the secret of a key has {_KEY_SIZE} bytes, not {len(self.seed)}")

    @classmethod
    def generate(cls, name: str) -> Self:
        """A new key."""
        return cls(name, secrets.token_bytes(_KEY_SIZE))

    @property
    def verifier(self) -> VerifierKey:
        """What verifies its notes."""
        return VerifierKey(self.name, self._private().public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """The signature of a message, 64 bytes."""
        return self._private().sign(message)

    def text(self) -> str:
        """The key, with its secret, as ``PRIVATE+KEY+<name>+<hex of its ID>+<base64>``."""
        key_id = self.verifier.key_id.hex()
        return f"{_PRIVATE}{self.name}+{key_id}+{_base64(_ED25519 + self.seed)}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The key that ``text`` wrote.

        Raises:
            VerificationError: it is no such key, or not as it was written.
        """
        name, seed = _parts(text.removeprefix(_PRIVATE))
        try:
            key = cls(name, seed)
        except ValueError as error:
            raise _no_key() from error
        if key.text() != text:
            raise _no_key()
        return key

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """The key in a file that nobody else can read: mode 0600, or 0640 when root owns it.

        Raises:
            ChronicleError: others can read the file, or it can not be read.
            VerificationError: it holds no key.
        """
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                content = file.read()
        except OSError as error:
            raise ChronicleError(f"{path}: {error.strerror}") from error
        # What is given to a service is often of root, and of a group that is the service's.
        if status.st_mode & (0o037 if status.st_uid == 0 else 0o077):
            raise ChronicleError(
                f"others can read or change the key in {path}",
                detail=f"Its mode is {status.st_mode & 0o777:04o}.",
                hint=f"Run: chmod 600 {path}. If somebody may have read it, make a new key.",
            )
        try:
            return cls.from_text(content.decode(errors="replace").strip())
        except VerificationError as error:
            message = f"{path}: {error.message}"
            raise VerificationError(message, detail=error.detail, hint=error.hint) from error

    def _private(self) -> "Ed25519PrivateKey":
        with _extra():
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        return Ed25519PrivateKey.from_private_bytes(self.seed)


@dataclass(frozen=True, slots=True)
class ExternalKey:
    """A key that signs notes and is kept elsewhere, as in a KMS.

    Args:
        verifier: what verifies its notes.
        sign: gives the Ed25519 signature of the bytes themselves, not of a digest of them.
    """

    verifier: VerifierKey
    sign: Callable[[bytes], bytes]


def sign(text: str, key: SigningKey | ExternalKey) -> str:
    """The note that says the text and is signed with the key.

    Args:
        text: whole lines, without control characters.

    Raises:
        ValueError: it is no such text.
        VerificationError: what signed has another key than its verifier.
    """
    if not text.endswith("\n") or _control_character(text) is not None:
        raise ValueError("the text of a note is whole lines, without control characters")
    verifier = key.verifier
    signature = _base64(verifier.key_id + key.sign(text.encode()))
    note = f"{text}\n{_DASH}{verifier.name} {signature}\n"
    verify(note, verifier)
    return note


def verify(note: str, key: VerifierKey) -> str:
    """The text of a note that is signed with the key.

    Signatures of others, as of witnesses, are not looked at: nothing is known of them.

    Raises:
        VerificationError: it is no note, the key did not sign it, or it is not as it was signed.
    """
    text, signatures = _split(note)
    message = text.encode()
    ours = [data for name, data in signatures if (name, data[:_ID_SIZE]) == (key.name, key.key_id)]
    if not ours:
        # Others chose the names: what would move a terminal's cursor is shown as its escape.
        names = ", ".join(f"{name!r}+{data[:_ID_SIZE].hex()}" for name, data in signatures)
        raise VerificationError(
            "the note is not signed with the key",
            detail=f"The key is {key.name}+{key.key_id.hex()}, and it is signed with {names}.",
            hint="If the key was replaced, verify with the one of that time.",
        )
    if not all(key.verifies(message, data[_ID_SIZE:]) for data in ours):
        raise VerificationError(
            f"the signature by {key.name} is wrong",
            detail="The note is not as it was signed, or was signed with another key.",
        )
    return text


def _split(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The text of a note, and of each signature the name, and the ID before the signature."""
    character = _control_character(note)
    if character is not None:
        raise _no_note(f"It holds the character {character!r}.")
    head, empty_line, tail = note.rpartition("\n\n")
    if not empty_line or not tail.endswith("\n"):
        raise _no_note("It does not end in an empty line and lines with signatures.")
    lines = tail.removesuffix("\n").split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise _no_note(f"It has more than {_MOST_SIGNATURES} signatures.")
    return f"{head}\n", [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    data = _from_base64(encoded)
    if not line.startswith(_DASH) or not _is_name(name) or data is None or len(data) <= _ID_SIZE:
        raise _no_note("A line behind its empty line is no signature.")
    return name, data


def _parts(text: str) -> tuple[str, bytes]:
    """The name and the key of a text whose last parts are ID and base64; not yet checked."""
    name, _, rest = text.partition("+")
    data = _from_base64(rest.partition("+")[2])
    if data is None:
        raise _no_key()
    return name, data[1:]


def _no_key() -> VerificationError:
    # Nothing of the text: it may be a secret.
    return VerificationError(
        "that is no key for notes",
        detail="It is cut, a character of it is wrong, or it is of another algorithm than Ed25519.",
        hint='One to verify with reads "<name>+<8 hex digits>+<base64>", one to sign with has '
        f'"{_PRIVATE}" before that.',
    )


def _no_note(detail: str) -> VerificationError:
    return VerificationError("that is no signed note", detail=detail)


def _check_name(name: str) -> None:
    if not _is_name(name) or not name.isprintable():
        raise ValueError(
            f"{name!r} is no name of a key: it has spaces, a plus or control characters, or nothing"
        )


def _is_name(name: str) -> bool:
    return (
        bool(name)
        and "+" not in name
        and not any(character.isspace() for character in name)
        and _control_character(name) is None
    )


def _control_character(text: str) -> str | None:
    """The first character that a note can not have: but for line ends, and what is no UTF-8."""
    for character in text:
        if (character < " " and character != "\n") or "\ud800" <= character <= "\udfff":
            return character
    return None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _from_base64(text: str) -> bytes | None:
    """The bytes that ``_base64`` writes so; None when it would write nothing so."""
    try:
        data = base64.b64decode(text)
    except ValueError:
        return None
    return data if _base64(data) == text else None


@contextmanager
def _extra() -> Generator[None]:
    try:
        yield
    except ImportError as error:
        raise ChronicleError(
            "signatures need the package cryptography",
            hint="Run: pip install 'pgchronicle[sign]', or in a checkout: pip install '.[sign]'.",
        ) from error
