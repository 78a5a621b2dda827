"""Lets django-pghistory track tables that are there, as its documentation says.

Runs in the peers' own environment: install_django_pghistory.py DSN statement|row TABLE...
"""

import sys

import django
import psycopg
from django.conf import settings
from django.core.management import call_command
from psycopg.conninfo import conninfo_to_dict


def main(dsn: str, level: str, *tables: str) -> None:
    """Migrates, which makes its tables and attaches its triggers."""
    import pgtrigger

    parameters = conninfo_to_dict(dsn)
    settings.configure(
        INSTALLED_APPS=["pgtrigger", "pghistory", "shop"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": parameters["dbname"],
                "USER": parameters["user"],
                "HOST": parameters["host"],
                "PORT": parameters["port"],
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        PGHISTORY_LEVEL=pgtrigger.Statement if level == "statement" else pgtrigger.Row,
        # The tables that are tracked are there, so there are no migrations that would attach them.
        PGTRIGGER_INSTALL_ON_MIGRATE=True,
        SHOP_COLUMNS={table: _columns(dsn, table) for table in tables},
    )
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)


def _columns(dsn: str, table: str) -> list[tuple[str, str]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute"
            " where attrelid = %s::regclass and attnum > 0 order by attnum",
            (table,),
        ).fetchall()


if __name__ == "__main__":
    main(*sys.argv[1:])
