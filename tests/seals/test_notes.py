"""Signed notes: as others sign and read them, who is believed, and how keys are kept."""

import json
import os
import re
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pgchronicle.errors import ChronicleError, VerificationError
from pgchronicle.seals import notes
from pgchronicle.seals.notes import ExternalKey, SigningKey, VerifierKey

PUBLISHED: dict[str, Any] = json.loads((Path(__file__).parent / "vectors/notes.json").read_text())
C2SP: dict[str, str] = PUBLISHED["c2sp"]
GO: dict[str, str] = PUBLISHED["go"]

PETER = SigningKey.from_text(GO["signing"])
ENOCH = VerifierKey.from_text(GO["verifier_of_another"])
TEXT = GO["text"]
NOTE = f"{TEXT}\n{GO['signature']}"
SIGNATURE = GO["signature"].split(" ")[2].strip()


def refusal(note: str, key: VerifierKey = PETER.verifier) -> VerificationError:
    with pytest.raises(VerificationError) as refused:
        notes.verify(note, key)
    return refused.value


def line(name: str, data: bytes) -> str:
    return f"— {name} {b64encode(data).decode()}\n"


def no_note(detail: str) -> str:
    return f"that is no signed note\nDETAIL: {detail}"


NO_SIGNATURES = no_note("It does not end in an empty line and lines with signatures.")
NO_SIGNATURE = no_note("A line behind its empty line is no signature.")
WRONG = (
    "the signature by PeterNeumann is wrong\n"
    "DETAIL: The note is not as it was signed, or was signed with another key."
)


def test_published_note_is_verified() -> None:
    key = VerifierKey.from_text(C2SP["verifier"])
    assert notes.verify(f"{C2SP['text']}\n{C2SP['signature']}", key) == C2SP["text"]
    assert notes.verify(f"{TEXT}\n{GO['signature_of_another']}", ENOCH) == TEXT


def test_published_text_is_signed_as_published() -> None:
    assert notes.sign(TEXT, PETER) == NOTE
    assert PETER.verifier.text() == GO["verifier"]


def test_text_with_empty_lines_ends_at_the_last_one() -> None:
    text = C2SP["text_with_empty_lines"]
    assert notes.verify(notes.sign(text, PETER), PETER.verifier) == text
    assert str(refusal(f"{text}\n{C2SP['signature_of_unknown_key']}")) == (
        "the note is not signed with the key\n"
        "DETAIL: The key is PeterNeumann+c74f20a3, and it is signed with "
        "'quasimodo.example/salvatore'+367ba04b.\n"
        "HINT: If the key was replaced, verify with the one of that time."
    )
    assert notes.verify(notes.sign("\n\n", PETER), PETER.verifier) == "\n\n"


def test_name_that_another_chose_does_not_reach_the_terminal() -> None:
    shown = refusal(f"{TEXT}\n{line(chr(0x9B) + '2J', bytes(68))}").detail
    assert shown is not None
    assert shown.endswith("signed with '\\x9b2J'+00000000.")


def test_signatures_of_others_are_ignored_before_and_behind_ours() -> None:
    other = GO["signature_of_another"]
    for signatures in (GO["signature"] + other, other + GO["signature"]):
        assert notes.verify(f"{TEXT}\n{signatures}", PETER.verifier) == TEXT
        assert notes.verify(f"{TEXT}\n{signatures}", ENOCH) == TEXT


def test_signature_of_other_kinds_and_lengths_is_ignored() -> None:
    for length in (1, 64, 72, 5000):
        other = line("PeterNeumann", bytes(4 + length))
        assert notes.verify(f"{TEXT}\n{other}{GO['signature']}", PETER.verifier) == TEXT


def test_key_of_our_name_or_our_id_alone_is_another() -> None:
    impostor = SigningKey("PeterNeumann", bytes(32))
    by_name = notes.sign(TEXT, impostor)
    assert "PeterNeumann+" in str(refusal(by_name).detail)
    namesake = GO["signature"].replace("PeterNeumann", "PeterNewmann")
    assert refusal(f"{TEXT}\n{namesake}").message == "the note is not signed with the key"
    behind = by_name.removeprefix(f"{TEXT}\n")
    assert notes.verify(f"{NOTE}{behind}{namesake}", PETER.verifier) == TEXT


def test_wrong_signature_by_our_key_refuses_even_beside_a_right_one() -> None:
    data = bytearray(b64decode(SIGNATURE))
    for place in range(4, len(data)):
        data[place] ^= 1
        wrong = line("PeterNeumann", bytes(data))
        data[place] ^= 1
        assert str(refusal(f"{TEXT}\n{wrong}")) == WRONG
        assert str(refusal(f"{TEXT}\n{wrong}{GO['signature']}")) == WRONG
        assert str(refusal(f"{NOTE}{wrong}")) == WRONG


def test_every_other_text_than_was_signed_is_refused() -> None:
    changed = [TEXT[:place] + chr(ord(c) + 1) + TEXT[place + 1 :] for place, c in enumerate(TEXT)]
    for text in (*changed, TEXT + "\n", "\n" + TEXT, "", "\n", TEXT + TEXT):
        refusal(f"{text}\n{GO['signature']}")


def test_no_character_of_a_note_can_be_replaced_left_out_or_doubled() -> None:
    for place, character in enumerate(NOTE):
        for other in ("", character * 2, chr(ord(character) ^ 1)):
            refusal(NOTE[:place] + other + NOTE[place + 1 :])


def test_sixteen_signatures_and_more_are_read_but_not_any_number() -> None:
    other = GO["signature_of_another"]
    assert notes.verify(NOTE + other * 99, PETER.verifier) == TEXT
    assert str(refusal(NOTE + other * 100)) == no_note("It has more than 100 signatures.")


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        ("", NO_SIGNATURES),
        ("\n\n", NO_SIGNATURES),
        (TEXT, NO_SIGNATURES),
        (f"{TEXT}\n", NO_SIGNATURES),
        (NOTE.removesuffix("\n"), NO_SIGNATURES),
        (f"{TEXT}{GO['signature']}", NO_SIGNATURES),
        (f"{NOTE}\n", NO_SIGNATURES),
        (f"{NOTE}Unexpected line.\n", NO_SIGNATURE),
        (f"{NOTE}— PeterNeumann\n", NO_SIGNATURE),
        (f"{NOTE}— PeterNeumann \n", NO_SIGNATURE),
        (f"{NOTE}—  {SIGNATURE}\n", NO_SIGNATURE),
        (f"{NOTE}— a+b {SIGNATURE}\n", NO_SIGNATURE),
        (f"{NOTE}— a\N{NO-BREAK SPACE}b {SIGNATURE}\n", NO_SIGNATURE),
        (f"{NOTE}— Peter Neumann {SIGNATURE}\n", NO_SIGNATURE),
        (f"{NOTE}— PeterNeumann {SIGNATURE} \n", NO_SIGNATURE),
        (f"{NOTE}- PeterNeumann {SIGNATURE}\n", NO_SIGNATURE),
        (f"{NOTE}PeterNeumann {SIGNATURE}\n", NO_SIGNATURE),
        (f"{NOTE}— PeterNeumann x08gow==\n", NO_SIGNATURE),
        # As much as base64 ignores in other hands: of AM= and AN= the bits that count are the same.
        (NOTE.replace("JnAM=", "JnAN="), NO_SIGNATURE),
        (NOTE.replace("JnAM=", "JnAM"), NO_SIGNATURE),
        (NOTE.replace("x08go/", "x08go_"), NO_SIGNATURE),
        (NOTE.replace("x08go/", "x08gé/"), NO_SIGNATURE),
        (f"\x01{NOTE}", no_note("It holds the character '\\x01'.")),
        (NOTE.replace("\n", "\r\n"), no_note("It holds the character '\\r'.")),
        (f"\udcff{NOTE}", no_note("It holds the character '\\udcff'.")),
    ],
)
def test_what_is_no_note_is_refused(note: str, expected: str) -> None:
    assert str(refusal(note)) == expected


@pytest.mark.parametrize("text", ["", "abc", "a\n\n— b c", "a\tb\n", "a\r\n", "\ud800\n"])
def test_what_can_be_no_note_is_not_signed(text: str) -> None:
    def never(_: bytes) -> bytes:
        pytest.fail("it was signed")

    with pytest.raises(ValueError, match=r"^the text of a note is whole lines, without control"):
        notes.sign(text, ExternalKey(PETER.verifier, never))


def test_key_elsewhere_signs_the_bytes_of_the_text() -> None:
    asked: list[bytes] = []

    def kms(message: bytes) -> bytes:
        asked.append(message)
        return PETER.sign(message)

    text = C2SP["text_with_empty_lines"]
    assert notes.sign(text, ExternalKey(PETER.verifier, kms)) == notes.sign(text, PETER)
    assert asked == [text.encode()]


def test_signature_of_another_key_is_not_given_out() -> None:
    with pytest.raises(VerificationError) as refused:
        notes.sign(TEXT, ExternalKey(ENOCH, PETER.sign))
    assert refused.value.message == "the signature by EnochRoot is wrong"


def test_keys_read_back_as_they_were_written() -> None:
    key = SigningKey.generate("acme.example/log")
    assert SigningKey.from_text(key.text()) == key
    assert VerifierKey.from_text(key.verifier.text()) == key.verifier
    assert key.text().startswith("PRIVATE+KEY+acme.example/log+")
    assert SigningKey.generate("acme.example/log") != key


def _mangled(text: str) -> Iterator[str]:
    for begin in range(len(text)):
        for end in range(begin + 1, len(text) + 1):
            if end - begin < len(text):
                yield text[begin:end]
    for place, character in enumerate(text):
        yield text[:place] + chr(ord(character) + 1) + text[place + 1 :]
        if character.swapcase() != character:
            yield text[:place] + character.swapcase() + text[place + 1 :]
        yield text[:place] + character * 2 + text[place + 1 :]
    yield from ("", "+", "++", text + "\n", " " + text, text + "+", text + "=")


NO_KEY = (
    "that is no key for notes\n"
    "DETAIL: It is cut, a character of it is wrong, or it is of another algorithm than Ed25519.\n"
    'HINT: One to verify with reads "<name>+<8 hex digits>+<base64>", one to sign with has '
    '"PRIVATE+KEY+" before that.'
)


def test_every_change_of_a_key_is_noticed() -> None:
    for text in _mangled(GO["verifier"]):
        with pytest.raises(VerificationError) as refused:
            VerifierKey.from_text(text)
        assert str(refused.value) == NO_KEY
    for text in (*_mangled(GO["signing"]), GO["verifier"]):
        with pytest.raises(VerificationError) as refused:
            SigningKey.from_text(text)
        assert str(refused.value) == NO_KEY


@pytest.mark.parametrize("what", PUBLISHED["go"]["verifiers_that_are_none"])
def test_published_key_that_is_none_is_refused(what: str) -> None:
    with pytest.raises(VerificationError, match=r"^that is no key for notes"):
        VerifierKey.from_text(PUBLISHED["go"]["verifiers_that_are_none"][what])


def test_private_key_is_not_taken_for_the_public_one() -> None:
    with pytest.raises(VerificationError) as refused:
        VerifierKey.from_text(GO["signing"])
    assert str(refused.value) == (
        "that is a private key, where the one to verify with belongs\n"
        "HINT: If others have seen it, it signs for them as well: make a new one."
    )


def test_secret_of_a_key_is_in_no_message() -> None:
    secret = GO["signing"].rpartition("+")[2]
    shown = [repr(PETER), str(PETER), repr(ExternalKey(PETER.verifier, PETER.sign))]
    for wrong in (GO["signing"][:-1], GO["signing"].replace("c74f", "c74e")):
        for read in (SigningKey.from_text, VerifierKey.from_text):
            with pytest.raises(VerificationError) as refused:
                read(wrong)
            shown += [repr(refused.value), str(refused.value), str(refused.value.__cause__)]
    assert not [text for text in shown if secret[10:30] in text or str(PETER.seed) in text]


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a+b", "a\nb", "a\tb", "\N{EM SPACE}", "\x07", "\ud800", "\x9b2J", "\u202eb"],
)
def test_name_that_no_note_can_carry_is_refused(name: str) -> None:
    expected = (
        f"{name!r} is no name of a key: it has spaces, a plus or control characters, or nothing"
    )
    for make in (SigningKey, VerifierKey):
        with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
            make(name, bytes(32))


def test_key_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a public key has 32 bytes, not 33$"):
        VerifierKey("a", bytes(33))
    with pytest.raises(ValueError, match=r"^the secret of a key has 32 bytes, not 31$"):
        SigningKey("a", bytes(31))


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A key in a file of an account that is not root."""
    path = tmp_path / "log.key"
    path.write_text(f"{GO['signing']}\n")
    path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, 65534, -1)
    return path


def test_key_in_a_file_of_ones_own_is_read(key_file: Path) -> None:
    assert SigningKey.from_file(key_file) == PETER


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601])
def test_key_that_others_can_read_is_refused(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with pytest.raises(ChronicleError) as refused:
        SigningKey.from_file(key_file)
    assert str(refused.value) == (
        f"others can read or change the key in {key_file}\n"
        f"DETAIL: Its mode is {mode:04o}.\n"
        f"HINT: Run: chmod 600 {key_file}. If somebody may have read it, make a new key."
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has files of root")
def test_key_that_root_gives_to_a_group_is_read(key_file: Path) -> None:
    os.chown(key_file, 0, 65534)
    key_file.chmod(0o640)
    assert SigningKey.from_file(key_file) == PETER
    for mode in (0o660, 0o650, 0o644, 0o642, 0o641):
        key_file.chmod(mode)
        with pytest.raises(ChronicleError, match=r"^others can read or change the key in "):
            SigningKey.from_file(key_file)


def test_file_without_a_key_is_named(key_file: Path, tmp_path: Path) -> None:
    key_file.write_bytes(b"\xff")
    with pytest.raises(VerificationError) as refused:
        SigningKey.from_file(key_file)
    assert str(refused.value) == f"{key_file}: {NO_KEY}"
    with pytest.raises(ChronicleError) as missing:
        SigningKey.from_file(tmp_path / "none")
    assert str(missing.value) == f"{tmp_path / 'none'}: No such file or directory"


def test_without_the_package_signatures_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    for sign_or_verify in (
        lambda: notes.verify(NOTE, PETER.verifier),
        lambda: notes.verify(NOTE, VerifierKey.from_text(GO["verifier"])),
        lambda: notes.sign(TEXT, PETER),
        lambda: SigningKey.from_text(GO["signing"]),
    ):
        with pytest.raises(ChronicleError) as refused:
            sign_or_verify()
        assert str(refused.value) == (
            "signatures need the package cryptography\n"
            "HINT: Run: pip install 'pgchronicle[sign]', or in a checkout: pip install '.[sign]'."
        )


def test_package_for_signatures_is_not_imported_until_one_is_made() -> None:
    program = (
        "import sys\n"
        "from pgchronicle.seals import checkpoints, merkle, notes, signer\n"
        "key = notes.SigningKey.generate('a')\n"
        "def has(): return any(m.partition('.')[0] == 'cryptography' for m in sys.modules)\n"
        "before = has(); key.sign(b''); print(before, has())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout == "False True\n"
