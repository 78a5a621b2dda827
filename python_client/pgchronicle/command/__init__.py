"""The ``pgchronicle`` command: one module for each subcommand."""

from pgchronicle.command.main import main

__all__ = ["main"]
