"""``pgchronicle token``."""

from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import click

from pgchronicle._statements import CONTEXT_FIELDS
from pgchronicle.command._fields import field_options
from pgchronicle.command._secrets import read_secret, secret_options
from pgchronicle.models import ContextFields
from pgchronicle.signing import ContextSigner

_FIELDS = {
    "actor_type": "What kind of actor. Required.",
    "actor_id": "Who. Required.",
    "actor_role": "The role in which the actor acts.",
    "impersonator_id": "Who really acts, when somebody acts as the actor.",
    "organization_id": "The tenant.",
    "reason": "Why.",
    "session_id": "The application's session.",
    "request_id": "The request.",
    "trace_id": "The distributed trace.",
    "operation_id": "The operation.",
    "ip_address": "Where the request came from.",
    "user_agent": "The client's own name.",
    "client_info": "More about the client; a JSON object.",
    "ai_operation_id": "The AI operation.",
}


@click.command()
@click.option("--key-id", required=True, help="The key to sign with.")
@secret_options
@click.option(
    "--challenge",
    required=True,
    help="What chronicle.context_challenge() gave in the transaction that it is for.",
)
@click.option(
    "--lifetime",
    type=click.IntRange(1, 300),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long it can be presented.",
)
@field_options(CONTEXT_FIELDS, _FIELDS)
def token(
    key_id: str,
    secret_file: Path | None,
    secret_stdin: bool,
    challenge: str,
    lifetime: int,
    **context: Any,
) -> None:
    """Print a token for chronicle.set_signed_context. It needs no database.

    \b
    Example, in psql:
      begin;
      select chronicle.context_challenge() as challenge \\gset
      \\setenv challenge :challenge
      \\set token `pgchronicle token --key-id web-2 --secret-file web-2.secret --challenge \
"$challenge" --actor-type user --actor-id ada`
      select chronicle.set_signed_context(:'token');
    """
    for name in ("actor_type", "actor_id"):
        if not context[name]:
            raise click.UsageError(f"Say --{name.replace('_', '-')}.")
    if not isinstance(context["client_info"], dict | None):
        raise click.UsageError("--client-info is no JSON object.")
    secret = read_secret(secret_file, secret_stdin)
    if secret is None:
        raise click.UsageError("Say --secret-file or --secret-stdin.")
    try:
        signer = ContextSigner(key_id, secret, lifetime=timedelta(seconds=lifetime))
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    click.echo(signer.token(challenge, cast(ContextFields, context)))
