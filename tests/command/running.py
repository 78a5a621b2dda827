"""The command as tests run it: in this process with a pipe, or in another one on a terminal."""

import os
import pty
import subprocess
import sys

from click.testing import CliRunner, Result

from pgchronicle.command import main


def pgchronicle(*arguments: object, **environment: str) -> Result:
    """Runs the command in this process, in a pipe."""
    return CliRunner().invoke(main, [str(each) for each in arguments], env=environment)


def done(*arguments: object, **environment: str) -> str:
    """What the command prints when it ends well."""
    result = pgchronicle(*arguments, **environment)
    assert result.exit_code == 0, result.output
    return result.stdout


def on_terminal(*arguments: object, exit_code: int = 0, **environment: str) -> str:
    """What the command prints on a terminal, where it ends with this exit code."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", "from pgchronicle.command import main; main()"]
        + [str(each) for each in arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200", **environment},
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            # Linux's way to say that the other end is closed.
            break
        if not part:
            break
        said += part
    os.close(ours)
    assert process.wait(60) == exit_code
    return said.decode().replace("\r\n", "\n")
