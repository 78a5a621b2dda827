"""Merkle trees and proofs: as published, as RFC 9162 defines them, and nothing else is proven."""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgchronicle.errors import VerificationError
from pgchronicle.seals import merkle

PUBLISHED: dict[str, Any] = json.loads((Path(__file__).parent / "vectors/merkle.json").read_text())
HASHES = {name: bytes.fromhex(value) for name, value in PUBLISHED["hashes"].items()}

# The one case that others hold for proven and we do not: two trees of one leaf are said to have the
# same root, which is a placeholder of 12 bytes. Nothing but a hash is a root here, because a
# verifier that compares whatever it is given takes two empty texts for a proof.
_TEXT = "don't care 2"
PLACEHOLDERS: list[Any] = ["one leaf, one placeholder", 1, 1, _TEXT, _TEXT, [], True]

LEAVES = [merkle.leaf_hash(bytes([n])) for n in range(70)]


def inclusion_holds(index: int, size: int, leaf: bytes, root: bytes, path: Sequence[bytes]) -> bool:
    try:
        merkle.verify_inclusion(index=index, size=size, leaf=leaf, path=path, root=root)
    except VerificationError:
        return False
    return True


def consistency_holds(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> bool:
    try:
        merkle.verify_consistency(
            old_size=old_size, new_size=new_size, old_root=old_root, new_root=new_root, path=path
        )
    except VerificationError:
        return False
    return True


def _published(kind: str) -> list[Any]:
    def label(case: Any) -> str:
        return f"{case[1]} of {case[2]}, {case[0]}"

    return [pytest.param(case, id=label(case)) for case in PUBLISHED[kind] if case != PLACEHOLDERS]


@pytest.mark.parametrize("case", _published("inclusion"))
def test_published_proof_of_inclusion_is_judged_as_published(case: list[Any]) -> None:
    _, index, size, leaf, root, path, holds = case
    path = [HASHES[name] for name in path]
    assert inclusion_holds(index, size, HASHES[leaf], HASHES[root], path) is holds


@pytest.mark.parametrize("case", _published("consistency"))
def test_published_proof_of_consistency_is_judged_as_published(case: list[Any]) -> None:
    _, old_size, new_size, old_root, new_root, path, holds = case
    path = [HASHES[name] for name in path]
    assert consistency_holds(old_size, new_size, HASHES[old_root], HASHES[new_root], path) is holds


def test_placeholder_that_is_no_hash_proves_nothing() -> None:
    assert PLACEHOLDERS in PUBLISHED["consistency"]
    placeholder = HASHES[_TEXT]
    with pytest.raises(VerificationError) as refusal:
        merkle.verify_consistency(
            old_size=1, new_size=1, old_root=placeholder, new_root=placeholder, path=[]
        )
    assert str(refusal.value) == "a hash has 12 bytes, not 32"


def test_published_leaves_have_the_published_roots() -> None:
    leaves = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in PUBLISHED["leaves"]]
    roots = [merkle.root(leaves[:size]) for size in range(9)]
    assert roots == [HASHES["empty tree"], *(HASHES[f"0:{size}"] for size in range(1, 9))]
    assert roots[0] == merkle.EMPTY_ROOT


# The definitions of RFC 9162, sections 2.1.1, 2.1.3.1 and 2.1.4.1, by their recursion.


def _split(size: int) -> int:
    """The largest power of two that is smaller."""
    return 1 << (size - 1).bit_length() - 1


@cache
def defined_root(begin: int, end: int) -> bytes:
    if end - begin == 1:
        return LEAVES[begin]
    middle = begin + _split(end - begin)
    return sha256(b"\x01" + defined_root(begin, middle) + defined_root(middle, end)).digest()


def defined_inclusion(index: int, begin: int, end: int) -> list[bytes]:
    if end - begin == 1:
        return []
    middle = begin + _split(end - begin)
    if index < middle:
        return [*defined_inclusion(index, begin, middle), defined_root(middle, end)]
    return [*defined_inclusion(index, middle, end), defined_root(begin, middle)]


def defined_consistency(size: int, begin: int, end: int, *, is_known: bool = True) -> list[bytes]:
    if begin + size == end:
        return [] if is_known else [defined_root(begin, end)]
    middle = begin + _split(end - begin)
    if begin + size <= middle:
        rest = defined_consistency(size, begin, middle, is_known=is_known)
        return [*rest, defined_root(middle, end)]
    rest = defined_consistency(begin + size - middle, middle, end, is_known=False)
    return [*rest, defined_root(begin, middle)]


SIZES = range(1, len(LEAVES) + 1)


def test_roots_and_proofs_are_as_defined_for_every_index_of_small_trees() -> None:
    for size in SIZES:
        leaves = LEAVES[:size]
        assert merkle.root(leaves) == defined_root(0, size)
        for index in range(size):
            assert merkle.inclusion_path(leaves, index) == defined_inclusion(index, 0, size)
        for old_size in range(1, size + 1):
            expected = defined_consistency(old_size, 0, size)
            assert merkle.consistency_path(leaves, old_size) == expected


def test_every_leaf_is_proven_where_it_stands_and_nowhere_else() -> None:
    for size in SIZES:
        root = defined_root(0, size)
        for index in range(size):
            path = defined_inclusion(index, 0, size)
            proven = [
                place
                for place in range(-1, size + 1)
                if inclusion_holds(place, size, LEAVES[index], root, path)
            ]
            assert proven == [index]


def test_every_older_tree_is_proven_to_have_grown_into_every_newer_one() -> None:
    for new_size in SIZES:
        for old_size in range(1, new_size + 1):
            path = defined_consistency(old_size, 0, new_size)
            old_root, new_root = defined_root(0, old_size), defined_root(0, new_size)
            assert consistency_holds(old_size, new_size, old_root, new_root, path)
            assert consistency_holds(new_size, old_size, new_root, old_root, path) is (
                old_size == new_size
            )


def changed_hashes(value: bytes, bit: int) -> Iterator[bytes]:
    """What is nearly this hash: a bit flipped, a byte less, a byte more, nothing."""
    flipped = bytearray(value)
    flipped[bit // 8 % 32] ^= 1 << bit % 8
    yield bytes(flipped)
    yield value[:-1]
    yield value + b"\x00"
    yield b""


def changed_paths(path: list[bytes], others: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The proof with one thing changed."""
    for place, value in enumerate(path):
        yield path[:place] + path[place + 1 :]
        yield path[: place + 1] + path[place:]
        for bad in changed_hashes(value, 37 * (place + len(path))):
            yield [*path[:place], bad, *path[place + 1 :]]
        if place:
            yield [*path[: place - 1], value, path[place - 1], *path[place + 1 :]]
    for other in others:
        yield [other, *path]
        yield [*path, other]


def test_every_change_of_a_proof_of_inclusion_is_refused() -> None:
    for size in SIZES:
        root = defined_root(0, size)
        for index in range(size):
            leaf, path = LEAVES[index], defined_inclusion(index, 0, size)
            for bad in changed_paths(path, [leaf, root, merkle.EMPTY_ROOT, b""]):
                assert not inclusion_holds(index, size, leaf, root, bad), (index, size)
            for bit in (0, 100, 255):
                for other in changed_hashes(leaf, bit):
                    assert not inclusion_holds(index, size, other, root, path), (index, size)
                for other in changed_hashes(root, bit):
                    assert not inclusion_holds(index, size, leaf, other, path), (index, size)


def test_every_change_of_a_proof_of_consistency_is_refused() -> None:
    for new_size in SIZES:
        for old_size in range(1, new_size + 1):
            old, new = defined_root(0, old_size), defined_root(0, new_size)
            path = defined_consistency(old_size, 0, new_size)
            for bad in changed_paths(path, [old, new, merkle.EMPTY_ROOT, b""]):
                assert not consistency_holds(old_size, new_size, old, new, bad)
            for bit in (0, 100, 255):
                for other in changed_hashes(old, bit):
                    assert not consistency_holds(old_size, new_size, other, new, path)
                for other in changed_hashes(new, bit):
                    assert not consistency_holds(old_size, new_size, old, other, path)


@pytest.mark.parametrize("length", [0, 31, 33])
@pytest.mark.parametrize("place", ["leaf", "root", "path"])
def test_what_is_no_hash_has_no_place_in_a_proof_of_inclusion(place: str, length: int) -> None:
    proof: dict[str, Any] = {
        "leaf": LEAVES[0],
        "root": defined_root(0, 3),
        "path": defined_inclusion(0, 0, 3),
    }
    other = bytes(length)
    proof[place] = [other, LEAVES[2]] if place == "path" else other
    with pytest.raises(VerificationError, match=f"^a hash has {length} bytes, not 32$"):
        merkle.verify_inclusion(index=0, size=3, **proof)


@pytest.mark.parametrize("length", [0, 31, 33])
@pytest.mark.parametrize("place", ["old_root", "new_root", "path"])
def test_what_is_no_hash_has_no_place_in_a_proof_of_consistency(place: str, length: int) -> None:
    proof: dict[str, Any] = {
        "old_root": defined_root(0, 2),
        "new_root": defined_root(0, 3),
        "path": defined_consistency(2, 0, 3),
    }
    other = bytes(length)
    proof[place] = [other] if place == "path" else other
    with pytest.raises(VerificationError, match=f"^a hash has {length} bytes, not 32$"):
        merkle.verify_consistency(old_size=2, new_size=3, **proof)


def test_byte_that_moves_from_one_hash_to_its_neighbour_is_noticed() -> None:
    root = defined_root(0, 2)
    left, right = LEAVES[:2]
    assert merkle.node_hash(left + right[:1], right[1:]) == root
    assert not inclusion_holds(0, 2, left + right[:1], root, [right[1:]])


def test_no_tree_grows_from_the_empty_one_or_shrinks() -> None:
    root = defined_root(0, 3)
    for old_size, new_size in ((0, 0), (0, 3), (-1, 3), (4, 3)):
        for old_root in (merkle.EMPTY_ROOT, root):
            assert not consistency_holds(old_size, new_size, old_root, root, [])


@pytest.mark.parametrize("index", [-1, 3])
def test_no_path_leads_to_a_leaf_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError, match=f"^there is no leaf {index} among 3$"):
        merkle.inclusion_path(LEAVES[:3], index)


@pytest.mark.parametrize("size", [-1, 0, 4])
def test_no_path_leads_from_a_tree_that_has_not_been(size: int) -> None:
    message = f"^there is no tree of {size} leaves to begin with among 3$"
    with pytest.raises(IndexError, match=message):
        merkle.consistency_path(LEAVES[:3], size)


@given(data=st.data(), entries=st.lists(st.binary(max_size=4), min_size=1, max_size=300))
def test_any_tree_proves_its_leaves_and_its_past(data: st.DataObject, entries: list[bytes]) -> None:
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    root = merkle.root(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = merkle.inclusion_path(leaves, index)
    assert inclusion_holds(index, len(leaves), leaves[index], root, path)
    old_size = data.draw(st.integers(1, len(leaves)))
    old_root = merkle.root(leaves[:old_size])
    path = merkle.consistency_path(leaves, old_size)
    assert consistency_holds(old_size, len(leaves), old_root, root, path)


def test_refusal_says_where_the_proof_leads() -> None:
    path = merkle.inclusion_path(LEAVES[:3], 0)
    with pytest.raises(VerificationError) as refusal:
        merkle.verify_inclusion(index=0, size=3, leaf=LEAVES[0], path=path, root=LEAVES[1])
    leads, expected = defined_root(0, 3).hex(), LEAVES[1].hex()
    assert str(refusal.value) == (
        f"the proof leads to another root\nDETAIL: It leads to {leads}, not to {expected}."
    )
