from collections.abc import Iterator

from yoyo.backends.base import DatabaseBackend

default_migration_table: str

class Migration:
    id: str
    hash: str
    path: str
    use_transactions: bool
    @property
    def depends(self) -> set[Migration]: ...
    def load(self) -> None: ...
    def process_steps(
        self, backend: DatabaseBackend, direction: str, force: bool = False
    ) -> None: ...

class MigrationList:
    def __iter__(self) -> Iterator[Migration]: ...
    def __len__(self) -> int: ...

def read_migrations(*sources: str) -> MigrationList: ...
