"""``pgchronicle gateway``: the login roles whose sessions are believed."""

import click

from pgchronicle import Chronicle
from pgchronicle._output import print_json, print_lines
from pgchronicle.command._database import connect, dsn_option, json_option


@click.group()
def gateway() -> None:
    """Manage the login roles that are believed when they say who acts.

    It is for roles with which nothing but a trusted service logs in, as PostgREST's authenticator:
    whoever can run SQL over such a session can claim to be anyone. Needs chronicle_admin.

    \b
    Example:
      pgchronicle gateway add authenticator
    """


@gateway.command()
@click.argument("role")
@dsn_option
def add(role: str, dsn: str) -> None:
    """Believe sessions that logged in as ROLE.

    \b
    Example:
      pgchronicle gateway add authenticator
    """
    with connect(dsn) as connection:
        Chronicle(connection).add_trusted_gateway(role)
    click.echo(f"Sessions of {role} are believed.", err=True)


@gateway.command("list")
@dsn_option
@json_option
def list_(dsn: str, as_json: bool) -> None:
    """List the roles that are believed, one a line.

    \b
    Example:
      pgchronicle gateway list
    """
    with connect(dsn) as connection:
        roles = Chronicle(connection).trusted_gateways()
    if as_json:
        print_json(roles)
        return
    print_lines((role,) for role in roles)
    if not roles:
        click.echo("No role is believed.", err=True)


@gateway.command()
@click.argument("role")
@dsn_option
def remove(role: str, dsn: str) -> None:
    """Believe sessions of ROLE no more. What it has verified stays.

    \b
    Example:
      pgchronicle gateway remove authenticator
    """
    with connect(dsn) as connection:
        Chronicle(connection).remove_trusted_gateway(role)
    click.echo(f"Sessions of {role} are believed no more.", err=True)
