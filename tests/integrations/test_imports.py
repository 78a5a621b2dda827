"""No framework is imported before it is used, and none is needed."""

import subprocess
import sys
from pathlib import Path

import pytest

import pgchronicle

FRAMEWORKS = (
    "asgiref",
    "asyncpg",
    "django",
    "fastapi",
    "flask",
    "httpx",
    "jwt",
    "opentelemetry",
    "psycopg_pool",
    "pytest",
    "sqlalchemy",
    "starlette",
    "werkzeug",
)
PACKAGE = Path(pgchronicle.__file__).parent
MODULES = (
    "pgchronicle",
    "pgchronicle.testing",
    *(
        f"pgchronicle.integrations.{file.stem}"
        for file in sorted((PACKAGE / "integrations").glob("[a-z]*.py"))
    ),
)


@pytest.mark.parametrize("module", MODULES)
def test_importing_a_module_imports_no_framework(module: str) -> None:
    program = f"import sys, {module}; print(sorted(sys.modules.keys() & {set(FRAMEWORKS)}))"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "[]\n"


def test_all_integrations_are_asked() -> None:
    assert MODULES[2:] == tuple(
        f"pgchronicle.integrations.{name}"
        for name in ("asgi", "django", "opentelemetry", "sqlalchemy", "wsgi")
    )


def test_a_framework_that_is_loaded_by_others_is_used_without_importing_it() -> None:
    program = (
        "import sys\n"
        "from pgchronicle.integrations.opentelemetry import span_fields\n"
        "assert span_fields() == {}\n"
        "print('opentelemetry' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "False\n"
