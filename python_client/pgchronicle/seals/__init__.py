"""Seals checked without the database: Merkle proofs, checkpoints and the notes that sign them.

Signatures need the package ``cryptography``, which the extra ``sign`` brings. It is imported when a
signature is made or checked, and all else does without it.
"""
