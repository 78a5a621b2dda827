"""Writes the client that waits from the one that is awaited, word by word.

In the package, ``async_client.py`` is the source of ``client.py``, and so for every module whose
name has ``async_`` in it. Docstrings are translated too, so that their examples are right. What a
word list can not translate is kept out of those modules.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python_client" / "pgchronicle"

WORDS = {
    r"\basync (?=def|with|for)": "",
    r"\bawait ": "",
    r"Async(?=[A-Z])": "",
    r"async_": "",
    r"\basynccontextmanager\b": "contextmanager",
    r"\b__a(?=enter__|exit__|iter__|next__)": "__",
    r"\basyncio\b": "time",  # for its sleep
}


def header(source: str) -> str:
    return f"# Made from {source} by tools/unasync.py: change that, and run `make unasync`.\n"


def waiting(text: str) -> str:
    """The text of a module for callers that wait, not laid out yet."""
    for word, replacement in WORDS.items():
        text = re.sub(word, replacement, text)
    return text


def generate(package: Path) -> dict[Path, str]:
    """The modules that are made from others, and what they have to say."""
    return {
        path.with_name(path.name.replace("async_", "")): laid_out(
            header(path.name) + waiting(path.read_text()), path
        )
        for path in sorted(package.glob("*async_*.py"))
    }


def laid_out(text: str, path: Path) -> str:
    """The text as ruff orders its imports, puts its blocks together and breaks its lines."""
    for arguments in (["check", "--select", "I,SIM117", "--fix", "--quiet"], ["format"]):
        text = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", str(path), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the synchronous client.")
    parser.add_argument("--check", action="store_true", help="change nothing; 1 if it would")
    check = bool(parser.parse_args().check)
    stale = {
        path: text
        for path, text in generate(PACKAGE).items()
        if not path.exists() or path.read_text() != text
    }
    for path, text in stale.items():
        if check:
            name = path.relative_to(ROOT)
            print(f"{name} is not what its source says; run: make unasync", file=sys.stderr)
        else:
            path.write_text(text)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
