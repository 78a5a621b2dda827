"""Checkpoints: read and written as others do, in one way only, and signed by the log's own key."""

import json
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgchronicle.errors import VerificationError
from pgchronicle.seals import notes
from pgchronicle.seals.checkpoints import Checkpoint

PUBLISHED: dict[str, Any] = json.loads((Path(__file__).parent / "vectors/notes.json").read_text())
C2SP: dict[str, str] = PUBLISHED["c2sp"]

ROOT = sha256(b"root").digest()
EMPTY = sha256(b"").digest()
TEXT = Checkpoint("acme.example/log", 42, ROOT).text()
KEY = notes.SigningKey("acme.example/log", bytes(32))

NO_CHECKPOINT = (
    "that is no checkpoint\n"
    "DETAIL: It has three lines: the origin, the size, and the root in base64."
)


def refusal(text: str) -> str:
    with pytest.raises(VerificationError) as refused:
        Checkpoint.parse(text)
    return str(refused.value)


def test_published_checkpoint_is_read_and_written() -> None:
    text = C2SP["checkpoint"]
    checkpoint = Checkpoint.parse(text)
    assert checkpoint == Checkpoint(
        origin="example.com/behind-the-sofa",
        size=20852163,
        root=b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="),
    )
    assert checkpoint.text() == text


def test_checkpoint_is_three_lines() -> None:
    assert TEXT == "acme.example/log\n42\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n"


origins = st.text(min_size=1).filter(str.isprintable)


@given(origin=origins, size=st.integers(1, 2**63 - 1), root=st.binary(min_size=32, max_size=32))
def test_any_checkpoint_reads_back(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root)
    assert Checkpoint.parse(checkpoint.text()) == checkpoint


def test_empty_log_has_the_root_of_the_empty_tree_and_no_other() -> None:
    empty = Checkpoint("a", 0, EMPTY)
    assert Checkpoint.parse(empty.text()) == empty
    assert refusal(TEXT.replace("42", "0")) == "a log without batches has another root"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "acme.example/log\n42\n",
        TEXT.removesuffix("\n"),
        f"{TEXT}\n",
        f"{TEXT}extension\n",
        f"\n{TEXT}",
        TEXT.replace("acme.example/log", ""),
        TEXT.replace("42", ""),
        TEXT.replace("42", "042"),
        TEXT.replace("42", "00"),
        TEXT.replace("42", "+42"),
        TEXT.replace("42", "-42"),
        TEXT.replace("42", " 42"),
        TEXT.replace("42", "4_2"),
        TEXT.replace("42", "4.2"),
        TEXT.replace("42", "0x42"),
        TEXT.replace("42", "4٢"),
        TEXT.replace("42", "٤٢"),
        TEXT.replace("42", "1" + "0" * 19),
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("SBNJ", "SBN"),
        TEXT.replace("SBNJ", "SBNJJ"),
        TEXT.replace("SBNJ", "SBN-"),
        TEXT.replace("d7I=", "d7I"),
        TEXT.replace("d7I=", "d7I=="),
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    assert refusal(text) == NO_CHECKPOINT


def test_root_is_written_in_one_way_only() -> None:
    message = "the root of the checkpoint is not written as base64 is"
    for letter in "JKL":
        # Two bits of the last letter do not count.
        root = f"SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7{letter}="
        assert b64decode(root, validate=True) == ROOT
        assert refusal(f"acme.example/log\n42\n{root}\n") == message


def test_what_no_log_can_be_is_no_checkpoint() -> None:
    assert refusal(TEXT.replace("42", str(2**63))) == f"no log has {2**63} batches"
    unprintable = "the origin of the checkpoint can not be printed\nDETAIL: "
    for origin, size, root, message in (
        ("", 1, ROOT, "the checkpoint has no origin"),
        ("a\nb", 1, ROOT, f"{unprintable}'a\\nb'"),
        ("\x9b2J", 1, ROOT, f"{unprintable}'\\x9b2J'"),
        ("\u202eb", 1, ROOT, f"{unprintable}'\\u202eb'"),
        ("a", -1, ROOT, "no log has -1 batches"),
        ("a", 1, ROOT[:-1], "the root has 31 bytes, not 32"),
        ("a", 1, ROOT + b"\0", "the root has 33 bytes, not 32"),
    ):
        with pytest.raises(VerificationError) as refused:
            Checkpoint(origin, size, root)
        assert str(refused.value) == message


def test_signed_checkpoint_is_read_with_the_key_of_its_log() -> None:
    note = notes.sign(TEXT, KEY)
    assert Checkpoint.from_note(note, KEY.verifier) == Checkpoint.parse(TEXT)
    with pytest.raises(VerificationError, match=r"^the signature by acme\.example/log is wrong"):
        Checkpoint.from_note(note.replace("42", "43"), KEY.verifier)


def test_checkpoint_of_another_log_is_refused_though_the_key_signed_it() -> None:
    note = notes.sign(Checkpoint("pgchronicle/1", 42, ROOT).text(), KEY)
    with pytest.raises(VerificationError) as refused:
        Checkpoint.from_note(note, KEY.verifier)
    assert str(refused.value) == (
        "the checkpoint is of another log\n"
        'DETAIL: It is of "pgchronicle/1", and signed with the key "acme.example/log".'
    )


def test_note_about_something_else_is_no_checkpoint() -> None:
    with pytest.raises(VerificationError) as refused:
        Checkpoint.from_note(notes.sign("hello\n", KEY), KEY.verifier)
    assert str(refused.value) == NO_CHECKPOINT
