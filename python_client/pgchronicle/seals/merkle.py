"""Merkle trees as in RFC 9162, section 2.1: roots over SHA-256, and proofs about them.

A proof binds a leaf, or an older tree, to the root. It does not bind the size: some neighbouring
sizes have proofs of the same shape. So take size and root together, from a checkpoint.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256

from pgchronicle.errors import VerificationError

HASH_SIZE = 32
EMPTY_ROOT = sha256().digest()
"""The root of the tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """What stands in the tree for an entry."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """What stands in the tree above two of its nodes."""
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root of the tree over these leaf hashes."""
    level = leaves
    while len(level) > 1:
        level = _parents(level)
    return level[0] if level else EMPTY_ROOT


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The proof that the leaf with this index, from 0, is in the tree over these leaf hashes.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"there is no leaf {index} among {len(leaves)}")
    path: list[bytes] = []
    level = leaves
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level, index = _parents(level), index >> 1
    return path


def consistency_path(leaves: Sequence[bytes], size: int) -> list[bytes]:
    """The proof that the tree over the first leaf hashes, so many, has grown into that over all.

    Raises:
        IndexError: the older tree has no leaf, or more than there are.
    """
    if not 0 < size <= len(leaves):
        raise IndexError(f"there is no tree of {size} leaves to begin with among {len(leaves)}")
    if size == len(leaves):
        return []
    level, index = leaves, size - 1
    # Up to the largest complete subtree at the right edge of the older tree.
    while index & 1:
        level, index = _parents(level), index >> 1
    return ([level[index]] if index else []) + inclusion_path(level, index)


def verify_inclusion(
    *, index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes
) -> None:
    """Checks that the leaf with this index, from 0, is in the tree of that size and root.

    Args:
        leaf: its hash.
        path: the proof, as of ``inclusion_path``.

    Raises:
        VerificationError: it is not proven.
    """
    _check_hashes(leaf, root, *path)
    if not 0 <= index < size:
        raise VerificationError(f"a tree of size {size} has no leaf {index}")
    sides = list(_sides(index, size - 1))
    _check_length(path, len(sides))
    found = leaf
    for is_left, sibling in zip(sides, path, strict=True):
        found = node_hash(sibling, found) if is_left else node_hash(found, sibling)
    _check_root(found, root)


def verify_consistency(
    *, old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Checks that the newer tree begins with all leaves of the older one, in their order.

    Args:
        old_size: in leaves, at least 1: of the empty tree nothing can be proven.
        path: the proof, as of ``consistency_path``.

    Raises:
        VerificationError: it is not proven.
    """
    _check_hashes(old_root, new_root, *path)
    if not 0 < old_size <= new_size:
        raise VerificationError(f"a tree of size {old_size} can not grow to {new_size}")
    if old_size == new_size:
        _check_length(path, 0)
        _check_root(new_root, old_root)
        return
    index, last = old_size - 1, new_size - 1
    while index & 1:
        index, last = index >> 1, last >> 1
    # The older tree is complete when its right edge goes up to its root, which is then known.
    nodes = list(path) if index else [old_root, *path]
    sides = list(_sides(index, last))
    _check_length(nodes, len(sides) + 1)
    old = new = nodes[0]
    for is_left, sibling in zip(sides, nodes[1:], strict=True):
        if is_left:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
        else:
            new = node_hash(new, sibling)
    _check_root(old, old_root)
    _check_root(new, new_root)


def _parents(level: Sequence[bytes]) -> list[bytes]:
    parents = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    # A node without a sibling goes up as it is.
    return [*parents, level[-1]] if len(level) & 1 else parents


def _sides(index: int, last: int) -> Iterator[bool]:
    """Of each sibling on the way to the root, whether it is the left one; last: of the level."""
    while last:
        if index & 1 or index < last:
            yield bool(index & 1)
        index, last = index >> 1, last >> 1


def _check_hashes(*hashes: bytes) -> None:
    for value in hashes:
        if len(value) != HASH_SIZE:
            raise VerificationError(f"a hash has {len(value)} bytes, not {HASH_SIZE}")


def _check_length(path: Sequence[bytes], expected: int) -> None:
    if len(path) != expected:
        raise VerificationError(f"the proof has the length {len(path)}, not {expected}")


def _check_root(found: bytes, expected: bytes) -> None:
    if found != expected:
        raise VerificationError(
            "the proof leads to another root",
            detail=f"It leads to {found.hex()}, not to {expected.hex()}.",
        )
