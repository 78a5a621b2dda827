"""The root of a tree whose leaves come one after the other."""

from pgchronicle.seals.merkle import EMPTY_ROOT, node_hash


class RunningRoot:
    """Keeps one hash for each complete subtree, some dozens, and not the leaves."""

    __slots__ = ("_roots", "size")

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Adds the hash of a leaf; 32 bytes."""
        node, size = leaf, self.size
        # As with a carry: two subtrees of a size are one of twice the size.
        while size & 1:
            node = node_hash(self._roots.pop(), node)
            size >>= 1
        self._roots.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The root over the leaves so far."""
        if not self._roots:
            return EMPTY_ROOT
        *lefts, node = self._roots
        for left in reversed(lefts):
            node = node_hash(left, node)
        return node
