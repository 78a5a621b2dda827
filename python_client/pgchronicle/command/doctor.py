"""``pgchronicle doctor``."""

import click

from pgchronicle._output import (
    clean,
    console,
    is_terminal,
    print_json,
    print_lines,
)
from pgchronicle.command._checks import Finding, findings
from pgchronicle.command._database import connect, dsn_option, json_option

_MARKS = {
    "ok": ("ok", "green"),
    "warning": ("!", "yellow"),
    "critical": ("X", "red"),
    "unknown": ("?", "dim"),
}


@click.command()
@dsn_option
@json_option
@click.pass_context
def doctor(context: click.Context, dsn: str, as_json: bool) -> None:
    """Check the installation, and say what mends what is wrong.

    In a pipe each finding is a line of state (ok, warning, critical, unknown), check, finding and
    fix, apart by tabs. Exits with 1 when something is critical.

    \b
    Example:
      pgchronicle doctor --dsn 'postgresql://owner@host/db'
    """
    with connect(dsn) as connection:
        found = list(findings(dsn, connection))
    if as_json:
        print_json(found)
    elif is_terminal():
        _print_for_people(found)
    else:
        print_lines((item.state, item.check, item.finding, item.fix) for item in found)
    if any(item.state == "critical" for item in found):
        context.exit(1)


def _print_for_people(found: list[Finding]) -> None:
    from rich.text import Text

    out = console()
    for item in found:
        mark, style = _MARKS[item.state]
        line = Text.assemble((f"{mark:>2} ", f"bold {style}"), (f"{item.check}: ", "bold"))
        out.print(line.append(clean(item.finding)), soft_wrap=True)
        if item.fix:
            out.print(Text(f"     {clean(item.fix)}", "cyan"), soft_wrap=True)
