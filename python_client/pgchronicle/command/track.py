"""``pgchronicle track``."""

from typing import get_args

import click

from pgchronicle import Chronicle
from pgchronicle.command._database import connect, dsn_option
from pgchronicle.command._records import existing_table
from pgchronicle.models import CaptureMode, TruncateMode


@click.command()
@click.argument("table")
@dsn_option
@click.option("--resource-type", help="resource_type of its events.  [default: the table's name]")
@click.option("--organization-column", help="The column that holds the tenant.")
@click.option("--exclude-column", multiple=True, help="Not recorded. May be given several times.")
@click.option(
    "--mask-column",
    multiple=True,
    help='Recorded as "[masked]". May be given several times.  [default: those whose names are in '
    "the setting masked_keys]",
)
@click.option("--mask-nothing", is_flag=True, help="Mask no column at all.")
@click.option(
    "--capture",
    type=click.Choice(get_args(CaptureMode)),
    help="What the event of an update holds: what changed, or both rows in full.  "
    "[default: changes]",
)
@click.option(
    "--key-column",
    multiple=True,
    help="What names a row of a table that has no primary key. May be given several times.",
)
@click.option(
    "--truncate",
    type=click.Choice(get_args(TruncateMode)),
    help="What a truncate records: each row, one event, or nothing as it is refused.  "
    "[default: rows]",
)
@click.option(
    "--require-actor", is_flag=True, help="Refuse changes while the context names no actor."
)
def track(
    table: str,
    dsn: str,
    resource_type: str | None,
    organization_column: str | None,
    exclude_column: tuple[str, ...],
    mask_column: tuple[str, ...],
    mask_nothing: bool,
    capture: CaptureMode | None,
    key_column: tuple[str, ...],
    truncate: TruncateMode | None,
    require_actor: bool,
) -> None:
    """Capture every change of TABLE from now on.

    Repeated with other options, it changes them. You must own the table.

    \b
    Example:
      pgchronicle track shop.orders --organization-column tenant_id --mask-column iban
    """
    if mask_nothing and mask_column:
        raise click.UsageError("--mask-column and --mask-nothing exclude each other.")
    with connect(dsn) as connection:
        existing_table(connection, table)
        Chronicle(connection).enable_tracking(
            table,
            resource_type=resource_type,
            organization_column=organization_column,
            exclude_columns=exclude_column or None,
            mask_columns=() if mask_nothing else mask_column or None,
            capture=capture,
            key_columns=key_column or None,
            truncate=truncate,
            require_actor=require_actor,
        )
    click.echo(f"{table} is tracked.", err=True)
