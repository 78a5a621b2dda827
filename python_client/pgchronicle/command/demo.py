"""``pgchronicle demo``."""

import subprocess

import click

from pgchronicle.demo import cluster


@click.command()
@click.option("--stop", is_flag=True, help="Stop the server and remove what it kept.")
@click.option(
    "--seconds",
    type=click.IntRange(1, 3600),
    default=5,
    show_default=True,
    help="How long pgbench works.",
)
@click.option(
    "--clients",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="From how many sessions.",
)
def demo(stop: bool, seconds: int, clients: int) -> None:
    """Show an audit log at work in a PostgreSQL of its own.

    It needs nothing but pip install 'pgchronicle[embedded]'. Repeated, it starts afresh.

    \b
    Example:
      pgchronicle demo --seconds 10
    """
    if stop:
        stopped = cluster.stop()
        click.echo("Stopped and removed." if stopped else "There is no demo to stop.", err=True)
        return
    from pgchronicle.demo import tour

    try:
        tour.run(seconds=seconds, clients=clients)
    except subprocess.CalledProcessError as error:
        raise click.ClickException(f"pgbench failed: {error.stderr.strip()}") from error
