"""The ``pgchronicle`` command."""

import click


@click.group()
def main() -> None:
    """An audit log inside PostgreSQL."""
