"""The signer: it signs what goes on from its last note, keeps that before giving it out, and is
asked by one at a time. The log is one in memory."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pgchronicle.errors import ChronicleError, InconsistentLogError, VerificationError
from pgchronicle.seals import merkle, notes
from pgchronicle.seals.checkpoints import Checkpoint
from pgchronicle.seals.signer import CheckpointSigner

KEY = notes.SigningKey("acme.example/log", bytes(range(32)))
OTHER_KEY = notes.SigningKey("acme.example/log", bytes(32))


def batches(count: int, variant: str = "") -> list[bytes]:
    return [merkle.leaf_hash(f"batch {n}{variant}".encode()) for n in range(count)]


@dataclass
class MemoryLog:
    """A log of these batches, which answers as chronicle does."""

    leaves: list[bytes]
    name: str = "pgchronicle/0190"
    asked: list[str] = field(default_factory=list[str])

    def checkpoint(self, size: int | None = None) -> str:
        self.asked.append(f"checkpoint({size})")
        leaves = self.leaves[:size]
        return Checkpoint(self.name, len(leaves), merkle.root(leaves)).text()

    def consistency_proof(self, old: int, new: int | None = None) -> list[bytes]:
        self.asked.append(f"consistency_proof({old}, {new})")
        return merkle.consistency_path(self.leaves[:new], old)


@dataclass
class LyingLog(MemoryLog):
    """A log that gives another proof than belongs to it."""

    proof: list[bytes] = field(default_factory=list[bytes])

    def consistency_proof(self, old: int, new: int | None = None) -> list[bytes]:  # noqa: ARG002
        return self.proof


def expected(count: int, variant: str = "") -> str:
    """The note of a log of these batches."""
    checkpoint = Checkpoint(KEY.name, count, merkle.root(batches(count, variant)))
    return notes.sign(checkpoint.text(), KEY)


def no_signature(_: bytes) -> bytes:
    pytest.fail("it was signed")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "log.state"


@pytest.fixture
def signer(state: Path) -> CheckpointSigner:
    """One that has signed a log of three batches."""
    signer = CheckpointSigner(KEY, state)
    signer.sign(MemoryLog(batches(3)), first=True)
    return signer


def kept(state: Path) -> dict[str, str]:
    """All that is in the directory, but for the lock."""
    return {
        path.name: path.read_text()
        for path in state.parent.iterdir()
        if path.name != f"{state.name}.lock"
    }


def test_first_checkpoint_is_signed_and_kept(state: Path) -> None:
    note = CheckpointSigner(KEY, state).sign(MemoryLog(batches(3)), first=True)
    assert note == expected(3)
    assert kept(state) == {"log.state": note}


def test_origin_is_the_name_of_the_key_whatever_the_log_calls_itself(state: Path) -> None:
    log = MemoryLog(batches(3), name="acme.example/another")
    note = CheckpointSigner(KEY, state).sign(log, first=True)
    assert Checkpoint.from_note(note, KEY.verifier) == Checkpoint(
        "acme.example/log", 3, merkle.root(batches(3))
    )


def test_log_that_goes_on_is_signed_and_kept(signer: CheckpointSigner, state: Path) -> None:
    for count in (4, 7, 8, 20):
        note = signer.sign(MemoryLog(batches(count)))
        assert note == expected(count)
        assert kept(state) == {"log.state": note}


def test_every_small_log_that_goes_on_is_signed(tmp_path: Path) -> None:
    for old in range(5):
        for new in range(old, 9):
            signer = CheckpointSigner(KEY, tmp_path / f"{old}-{new}")
            signer.sign(MemoryLog(batches(old)), first=True)
            assert signer.sign(MemoryLog(batches(new))) == expected(new)


def test_proof_is_asked_for_the_checkpoint_that_was_read(signer: CheckpointSigner) -> None:
    log = MemoryLog(batches(9))
    signer.sign(log)
    assert log.asked == ["checkpoint(None)", "consistency_proof(3, 9)"]


def test_log_that_has_not_grown_has_its_last_note_with_all_signatures(
    signer: CheckpointSigner, state: Path
) -> None:
    witnessed = expected(3) + notes.sign("\n", notes.SigningKey("witness", bytes(32)))[2:]
    state.write_text(witnessed)
    again = CheckpointSigner(notes.ExternalKey(KEY.verifier, no_signature), state)
    for one in (signer, again):
        assert one.sign(MemoryLog(batches(3))) == witnessed
    assert kept(state) == {"log.state": witnessed}


def test_empty_log_can_be_signed_and_grows(state: Path) -> None:
    signer = CheckpointSigner(KEY, state)
    assert signer.sign(MemoryLog([]), first=True) == expected(0)
    assert signer.sign(MemoryLog([])) == expected(0)
    log = MemoryLog(batches(2))
    assert signer.sign(log) == expected(2)
    assert log.asked == ["checkpoint(None)"]


def said(count: int, variant: str = "") -> str:
    _, size, root = MemoryLog(batches(count, variant)).checkpoint().split()
    return f"size {size}, root {root}"


def inconsistent(state: Path, why: str, now: int, variant: str) -> str:
    return (
        f"the log does not go on from the checkpoint that was signed last: {why}\n"
        f"DETAIL: Signed, and kept in {state}: {said(3)}. pgchronicle/0190 says now: "
        f"{said(now, variant)}.\n"
        "HINT: Nothing was signed. Sealed events were changed or removed; or this is another "
        "database, a standby that is behind, or a backup from before that checkpoint. Keep the "
        "note in that file: it proves what the log was. Where a backup was restored on purpose, go "
        "on with a key of another name and a file of its own."
    )


@pytest.mark.parametrize(
    ("count", "variant", "why"),
    [
        (0, "", "it has lost batches"),
        (2, "", "it has lost batches"),
        (2, " forged", "it has lost batches"),
        (3, " forged", "its batches are others"),
        (4, " forged", "it begins with other batches"),
        (64, " forged", "it begins with other batches"),
    ],
)
def test_log_that_does_not_go_on_is_not_signed(
    signer: CheckpointSigner, state: Path, count: int, variant: str, why: str
) -> None:
    for key in (KEY, notes.ExternalKey(KEY.verifier, no_signature)):
        with pytest.raises(InconsistentLogError) as refused:
            CheckpointSigner(key, state).sign(MemoryLog(batches(count, variant)))
        assert str(refused.value) == inconsistent(state, why, count, variant)
    assert kept(state) == {"log.state": expected(3)}
    assert signer.sign(MemoryLog(batches(4))) == expected(4)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_batch_that_was_changed_is_noticed(
    signer: CheckpointSigner, state: Path, place: int
) -> None:
    for count in range(3, 12):
        leaves = batches(count)
        leaves[place] = merkle.leaf_hash(b"forged")
        with pytest.raises(InconsistentLogError):
            signer.sign(MemoryLog(leaves))
    assert kept(state) == {"log.state": expected(3)}


def test_no_other_proof_makes_a_forged_log_pass(signer: CheckpointSigner, state: Path) -> None:
    forged, honest = batches(7, " forged"), batches(7)
    for proof in (
        [],
        [merkle.root(batches(3))],
        [b""],
        merkle.consistency_path(honest, 3),
        merkle.consistency_path(forged, 3),
        merkle.consistency_path(forged, 4),
        [*merkle.consistency_path(forged, 3), merkle.root(honest)],
        merkle.inclusion_path(forged, 2),
    ):
        with pytest.raises(InconsistentLogError):
            signer.sign(LyingLog(forged, proof=proof))
    assert kept(state) == {"log.state": expected(3)}


def test_log_without_a_checkpoint_is_not_signed(signer: CheckpointSigner, state: Path) -> None:
    class Wrong(MemoryLog):
        def checkpoint(self, size: int | None = None) -> str:  # noqa: ARG002
            return super().checkpoint().replace("\n3\n", "\n0\n")

    with pytest.raises(VerificationError, match=r"^a log without batches has another root$"):
        signer.sign(Wrong(batches(3)))
    assert kept(state) == {"log.state": expected(3)}


def test_nothing_is_signed_when_the_last_note_is_lost(
    signer: CheckpointSigner, state: Path
) -> None:
    state.unlink()
    log = MemoryLog(batches(4))
    with pytest.raises(ChronicleError) as refused:
        signer.sign(log)
    assert str(refused.value) == (
        f"{state} is not there, so nothing says what was signed before\n"
        "HINT: If it was lost, put the last note that was given out in its place. If this key has "
        "signed nothing yet, say that it is the first."
    )
    assert (log.asked, kept(state)) == ([], {})


def test_note_that_was_given_out_replaces_one_that_was_lost(
    signer: CheckpointSigner, state: Path
) -> None:
    note = signer.sign(MemoryLog(batches(4)))
    state.unlink()
    state.write_text(note)
    with pytest.raises(InconsistentLogError):
        signer.sign(MemoryLog(batches(5, " forged")))
    assert signer.sign(MemoryLog(batches(5))) == expected(5)


def test_first_is_refused_where_something_was_signed(signer: CheckpointSigner, state: Path) -> None:
    log = MemoryLog(batches(4))
    with pytest.raises(ChronicleError) as refused:
        signer.sign(log, first=True)
    assert str(refused.value) == (
        f"{state} is there, so this is not the first checkpoint\n"
        "HINT: Sign it as one that goes on from the last."
    )
    assert (log.asked, kept(state)) == ([], {"log.state": expected(3)})
    state.unlink()
    state.symlink_to("nowhere")
    with pytest.raises(ChronicleError, match=r"is there, so this is not the first checkpoint"):
        signer.sign(log, first=True)


def _checkpoint_of(origin: str) -> str:
    return Checkpoint(origin, 3, merkle.root(batches(3))).text()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "that is no signed note"),
        (expected(3)[:-1], "that is no signed note"),
        (expected(3).replace("\n3\n", "\n2\n"), "the signature by acme.example/log is wrong"),
        (_checkpoint_of(KEY.name), "that is no signed note"),
        (notes.sign(_checkpoint_of(KEY.name), OTHER_KEY), "the note is not signed with the key"),
        (notes.sign(_checkpoint_of("other"), KEY), "the checkpoint is of another log"),
        (notes.sign("hello\n", KEY), "that is no checkpoint"),
        ("\udcff" + expected(3), "the signature by acme.example/log is wrong"),
    ],
)
def test_nothing_is_signed_when_the_last_note_is_none_of_ours(
    signer: CheckpointSigner, state: Path, content: str, reason: str
) -> None:
    state.write_bytes(content.encode(errors="surrogateescape"))
    log = MemoryLog(batches(4))
    with pytest.raises(VerificationError) as refused:
        signer.sign(log)
    assert refused.value.message == (f"{state} does not hold the last note by this key: {reason}")
    assert refused.value.hint == (
        "Put the last note that was given out in its place. With another key, keep another file."
    )
    assert log.asked == []
    assert state.read_bytes() == content.encode(errors="surrogateescape")


def test_signature_by_another_key_than_announced_is_neither_kept_nor_given_out(
    signer: CheckpointSigner, state: Path
) -> None:
    del signer
    kms = notes.ExternalKey(KEY.verifier, OTHER_KEY.sign)
    with pytest.raises(VerificationError, match=r"^the signature by acme\.example/log is wrong"):
        CheckpointSigner(kms, state).sign(MemoryLog(batches(4)))
    assert kept(state) == {"log.state": expected(3)}


def test_one_signs_at_a_time(signer: CheckpointSigner, state: Path) -> None:
    refusals: list[str] = []

    class Asking(MemoryLog):
        def checkpoint(self, size: int | None = None) -> str:
            with pytest.raises(ChronicleError) as refused:
                CheckpointSigner(KEY, state).sign(MemoryLog(batches(5)))
            refusals.append(str(refused.value))
            return super().checkpoint(size)

    assert signer.sign(Asking(batches(4))) == expected(4)
    assert refusals == [f"another process is signing with {state}\nHINT: Wait until it is done."]
    assert signer.sign(MemoryLog(batches(5))) == expected(5)


def test_next_one_signs_after_one_that_failed(signer: CheckpointSigner) -> None:
    class Broken(MemoryLog):
        def checkpoint(self, size: int | None = None) -> str:  # noqa: ARG002
            raise BlockingIOError("the log can not be reached")

    with pytest.raises(BlockingIOError, match=r"^the log can not be reached$"):
        signer.sign(Broken([]))
    assert signer.sign(MemoryLog(batches(4))) == expected(4)


class Crash(BaseException):
    """The process ends here."""


def _watched(monkeypatch: pytest.MonkeyPatch, at: Callable[[str], None]) -> None:
    """Calls back before each step by which a file reaches the disk."""
    fsync, replace = os.fsync, Path.replace

    def watched_fsync(descriptor: int) -> None:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        at("sync the directory" if is_directory else "sync the new file")
        fsync(descriptor)

    def watched_replace(path: Path, target: Path) -> Path:
        at(f"rename {path.name} to {target.name}")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)


STEPS = ["sync the new file", "rename log.state.new to log.state", "sync the directory"]


def test_note_is_on_the_disk_before_it_is_given_out(
    signer: CheckpointSigner, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, dict[str, str]]] = []
    with monkeypatch.context() as patched:
        _watched(patched, lambda step: seen.append((step, kept(state))))
        note = signer.sign(MemoryLog(batches(4)))
    written = {"log.state": expected(3), "log.state.new": note}
    assert seen == list(zip(STEPS, [written, written, {"log.state": note}], strict=True))


@pytest.mark.parametrize("step", STEPS)
def test_crash_on_the_way_leaves_one_note_or_the_other(
    signer: CheckpointSigner, state: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(at: str) -> None:
        if at == step:
            raise Crash

    with monkeypatch.context() as patched:
        _watched(patched, crash)
        with pytest.raises(Crash):
            signer.sign(MemoryLog(batches(4)))
    assert state.read_text() in (expected(3), expected(4))
    assert signer.sign(MemoryLog(batches(5))) == expected(5)
    assert kept(state) == {"log.state": expected(5)}


@pytest.mark.parametrize("step", STEPS)
def test_note_that_can_not_be_kept_is_not_given_out(
    signer: CheckpointSigner, state: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(at: str) -> None:
        if at == step:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        _watched(patched, full)
        with pytest.raises(ChronicleError) as refused:
            signer.sign(MemoryLog(batches(4)))
    assert str(refused.value) == (
        f"{state} can not be written: No space left on device\nHINT: No note was given out."
    )
    assert signer.sign(MemoryLog(batches(5))) == expected(5)


def test_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    signer = CheckpointSigner(KEY, tmp_path / "none" / "log.state")
    with pytest.raises(ChronicleError) as refused:
        signer.sign(MemoryLog(batches(3)), first=True)
    assert str(refused.value) == (
        f"{tmp_path / 'none' / 'log.state.lock'}: No such file or directory"
    )


def test_file_that_can_not_be_read_is_named(state: Path) -> None:
    state.mkdir()
    with pytest.raises(ChronicleError) as refused:
        CheckpointSigner(KEY, state).sign(MemoryLog(batches(3)))
    assert str(refused.value) == f"{state}: Is a directory"


def test_note_is_kept_as_it_was_given_out_to_the_byte(state: Path) -> None:
    key = notes.SigningKey("acme.example/\N{GREEK SMALL LETTER LAMDA}", bytes(32))
    note = CheckpointSigner(key, state).sign(MemoryLog(batches(3)), first=True)
    assert state.read_bytes() == note.encode()
    assert CheckpointSigner(key, state).sign(MemoryLog(batches(3))) == note
