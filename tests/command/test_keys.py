"""``key``, ``gateway`` and ``token``: what it takes to prove who acts."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ask import rows, run, value
from command.running import done, on_terminal, pgchronicle
from pgchronicle.command import main
from support import Cluster, Connection, Database

ACTOR = ("--actor-type", "user", "--actor-id", "ada")


@pytest.fixture
def admin_dsn(database: Database) -> str:
    return database.dsn("admin")


@pytest.fixture
def secret_file(admin_dsn: str, tmp_path: Path) -> Path:
    """Where somebody redirected the secret of the key web-1."""
    path = tmp_path / "web-1.secret"
    path.write_text(done("key", "add", "web-1", "--dsn", admin_dsn))
    return path


def token(secret_file: Path, session: Connection, *options: str, key_id: str = "web-1") -> str:
    """The token that the command prints for the transaction of a session."""
    challenge = value(session, "select chronicle.context_challenge()")
    command = ("token", "--key-id", key_id, "--secret-file", secret_file, *options)
    return done(*command, "--challenge", challenge).strip()


def presented(session: Connection, signed: str) -> Any:
    """What the server says to a token."""
    return value(session, "select chronicle.set_signed_context(%s)", (signed,))


# key


def test_secret_is_alone_on_standard_output(admin_dsn: str) -> None:
    result = pgchronicle("key", "add", "web-1", "--dsn", admin_dsn)
    assert len(base64.urlsafe_b64decode(result.stdout.strip() + "=")) == 32
    assert result.stdout.count("\n") == 1
    assert result.stderr == "Key web-1 is added. Keep its secret: it is not shown again.\n"


def test_two_secrets_that_the_server_draws_differ(admin_dsn: str) -> None:
    said = [json.loads(done("key", "add", name, "--json", "--dsn", admin_dsn)) for name in "ab"]
    assert [each["key_id"] for each in said] == ["a", "b"]
    assert said[0]["secret"] != said[1]["secret"]


@pytest.mark.parametrize(
    "text",
    [
        base64.urlsafe_b64encode(b"\xff" * 40).decode(),
        base64.urlsafe_b64encode(b"\xff" * 40).decode().rstrip("="),
        base64.b64encode(b"\xff" * 40).decode() + "\n",
    ],
    ids=["url", "unpadded", "plain"],
)
def test_secret_of_ones_own_is_taken_and_not_printed(
    admin_dsn: str, database: Database, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "secret"
    path.write_text(text)
    result = pgchronicle("key", "add", "k", "--secret-file", path, "--dsn", admin_dsn)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "Key k is added.\n")
    with database.connect("app") as session:
        assert presented(session, token(path, session, *ACTOR, key_id="k")) == "verified"


def test_secret_may_come_from_standard_input(admin_dsn: str, database: Database) -> None:
    text = base64.b64encode(b"s" * 32).decode()
    runner = CliRunner()
    added = runner.invoke(
        main, ["key", "add", "k", "--secret-stdin", "--dsn", admin_dsn], input=text
    )
    assert (added.exit_code, added.stdout) == (0, "")
    with database.connect("app") as session:
        challenge = value(session, "select chronicle.context_challenge()")
        made = runner.invoke(
            main,
            ["token", "--key-id=k", "--secret-stdin", f"--challenge={challenge}", *ACTOR],
            input=text,
        )
        assert presented(session, made.stdout.strip()) == "verified"


def test_secret_goes_into_a_new_file_that_its_owner_alone_can_read(
    admin_dsn: str, database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "web-2.secret"
    command = ("key", "add", "web-2", "--output", path, "--dsn", admin_dsn)
    result = pgchronicle(*command)
    said = f"Key web-2 is added. Its secret is in {path}: it is not shown again.\n"
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", said)
    assert path.stat().st_mode & 0o777 == 0o600
    with database.connect("app") as session:
        assert presented(session, token(path, session, *ACTOR, key_id="web-2")) == "verified"


def test_secret_that_is_there_outlives_a_command_that_is_repeated(
    admin_dsn: str, tmp_path: Path
) -> None:
    path = tmp_path / "web-2.secret"
    command = ("key", "add", "web-2", "--output", path, "--dsn", admin_dsn)
    done(*command)
    before = path.read_text()
    result = pgchronicle(*command)
    assert (result.exit_code, result.stdout, result.stderr) == (
        *(1, ""),
        f"error: {path} is there already\n"
        "hint: It may hold the secret of a key. Give another name.\n",
    )
    assert path.read_text() == before


def test_key_that_is_refused_leaves_no_file(
    admin_dsn: str, database: Database, tmp_path: Path
) -> None:
    done("key", "add", "web-2", "--dsn", admin_dsn)
    for dsn in (admin_dsn, database.dsn("auditor"), f"host={tmp_path}"):
        result = pgchronicle("key", "add", "web-2", "--output", tmp_path / "s", "--dsn", dsn)
        assert result.exit_code == (3 if dsn.startswith(f"host={tmp_path}") else 1)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is full")
def test_key_whose_secret_cannot_be_written_is_not_added(
    admin_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def full(*_: object) -> int:
        return opened("/dev/full", os.O_WRONLY)

    monkeypatch.setattr(os, "open", full)
    command = ("key", "add", "web-2", "--output", tmp_path / "s", "--dsn", admin_dsn)
    result = pgchronicle(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: cannot write: No space left on device\n"
    assert done("key", "list", "--dsn", admin_dsn) == ""


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--output", "s", "--json"), "--output and --json exclude each other."),
        (("--output", "s", "--secret-stdin"), "--output is for a secret that the server draws."),
        (("--output", "-"), "leave --output out"),
    ],
)
def test_output_that_makes_no_sense_is_wrong_usage(
    admin_dsn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = pgchronicle("key", "add", "web-2", *options, "--dsn", admin_dsn)
    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_keys_are_listed_without_their_secrets(admin_dsn: str, secret_file: Path) -> None:
    done("key", "add", "web-2", "--dsn", admin_dsn)
    listed = done("key", "list", "--dsn", admin_dsn)
    assert [line.split("\t")[0] for line in listed.splitlines()] == ["web-1", "web-2"]
    as_json = json.loads(done("key", "list", "--json", "--dsn", admin_dsn))
    assert [list(each) for each in as_json] == [["key_id", "created_at"]] * 2
    assert secret_file.read_text().strip() not in listed
    assert "web-1" in on_terminal("key", "list", "--dsn", admin_dsn)


def test_without_keys_it_says_so(admin_dsn: str) -> None:
    result = pgchronicle("key", "list", "--dsn", admin_dsn)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "There is no key: no context is verified by a signature.\n"


def test_retired_key_signs_no_more(admin_dsn: str, database: Database, secret_file: Path) -> None:
    result = pgchronicle("key", "retire", "web-1", "--dsn", admin_dsn)
    assert (result.exit_code, result.stderr) == (0, "Key web-1 is retired.\n")
    with database.connect("app") as session:
        assert presented(session, token(secret_file, session, *ACTOR)) == "unknown_key"


@pytest.mark.parametrize(
    "command", [("key", "retire", "web-9"), ("gateway", "remove", "stranger")], ids=" ".join
)
def test_what_is_not_there_cannot_be_removed(admin_dsn: str, command: tuple[str, ...]) -> None:
    result = pgchronicle(*command, "--dsn", admin_dsn)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert command[-1] in result.stderr


@pytest.mark.parametrize(
    "command",
    [("key", "add", "k"), ("key", "retire", "k"), ("gateway", "add", "app")],
    ids=" ".join,
)
def test_only_an_administrator_of_the_log_decides_whom_to_believe(
    database: Database, command: tuple[str, ...]
) -> None:
    for user in ("app", "auditor", "stranger"):
        result = pgchronicle(*command, "--dsn", database.dsn(user))
        assert (result.exit_code, result.stdout) == (1, "")
        assert "permission denied" in result.stderr


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("no base64!", "holds no base64url."), ("YQ", "")],
    ids=["no base64url", "too short"],
)
def test_secret_that_is_none_is_refused(
    admin_dsn: str, tmp_path: Path, content: str, complaint: str
) -> None:
    path = tmp_path / "secret"
    path.write_text(content)
    added = pgchronicle("key", "add", "k", "--secret-file", path, "--dsn", admin_dsn)
    made = pgchronicle(
        *("token", "--key-id", "k", "--secret-file", path, "--challenge", "c", *ACTOR)
    )
    for result in (added, made):
        assert result.exit_code in (1, 2)
        assert complaint in result.stderr
        assert content not in result.stderr
        assert "Traceback" not in result.stderr


# gateway


def test_session_of_a_gateway_is_believed_until_it_is_removed(
    admin_dsn: str, database: Database
) -> None:
    def state() -> Any:
        with database.connect("app") as session:
            run(session, "select chronicle.set_context(_actor_id => 'ada', _actor_type => 'user')")
            return value(session, "select chronicle.current_context() ->> 'context_state'")

    assert state() == "asserted"
    result = pgchronicle("gateway", "add", "app", "--dsn", admin_dsn)
    assert (result.exit_code, result.stderr) == (0, "Sessions of app are believed.\n")
    assert state() == "verified"
    assert done("gateway", "list", "--dsn", admin_dsn) == "app\n"
    assert json.loads(done("gateway", "list", "--json", "--dsn", admin_dsn)) == ["app"]
    result = pgchronicle("gateway", "remove", "app", "--dsn", admin_dsn)
    assert (result.exit_code, result.stderr) == (0, "Sessions of app are believed no more.\n")
    assert state() == "asserted"
    result = pgchronicle("gateway", "list", "--dsn", admin_dsn)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No role is believed.\n")


# token


def test_token_says_all_that_a_context_can(database: Database, secret_file: Path) -> None:
    said = {
        "actor_type": "employee",
        "actor_id": "ada",
        "actor_role": "buyer",
        "impersonator_id": "bob",
        "organization_id": "acme",
        "reason": "season",
        "session_id": "s",
        "request_id": "r",
        "trace_id": "t",
        "operation_id": "o",
        "ip_address": "192.0.2.7",
        "user_agent": "curl/8",
        "client_info": {"build": 7},
        "ai_operation_id": "00000000-0000-0000-0000-000000000002",
    }
    options = [
        f"--{name.replace('_', '-')}={json.dumps(each) if isinstance(each, dict) else each}"
        for name, each in said.items()
    ]
    with database.connect("app") as session:
        assert presented(session, token(secret_file, session, *options)) == "verified"
        found = value(session, "select chronicle.current_context()")
    assert found == {**said, "context_state": "verified"}


def test_example_of_the_help_works_in_psql(
    database: Database, cluster: Cluster, secret_file: Path
) -> None:
    _, _, example = str(main.commands["token"].help).partition("in psql:\n")
    script = example.replace("web-2.secret", str(secret_file)).replace("web-2", "web-1")
    ours = secret_file.with_name("pgchronicle")
    ours.write_text(f"#!{sys.executable}\nfrom pgchronicle.command import main\nmain()\n")
    ours.chmod(0o755)
    environment = database.environment("app")
    environment["PATH"] = f"{ours.parent}:{environment['PATH']}"
    result = subprocess.run(
        [str(cluster.program("psql")), "-X", "-q", "-A", "-t", "--set=ON_ERROR_STOP=1"],
        input=script,
        text=True,
        check=True,
        env=environment,
        capture_output=True,
    )
    assert (result.stdout, result.stderr) == ("verified\n", "")


def test_lifetime_is_what_was_asked_for(secret_file: Path) -> None:
    made = done(
        *("token", "--key-id", "web-1", "--secret-file", secret_file, "--challenge", "c"),
        *("--lifetime", 7, *ACTOR),
    )
    claims = made.split(".")[1]
    read = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert read["exp"] - read["iat"] == 7


@pytest.mark.parametrize(
    ("options", "exit_code", "complaint"),
    [
        (("--actor-type", "user"), 2, "Say --actor-id."),
        (("--actor-id", "ada"), 2, "Say --actor-type."),
        ((*ACTOR, "--client-info", "[1]"), 2, "--client-info is no JSON object."),
        ((*ACTOR, "--secret-stdin"), 2, "exclude each other."),
        ((*ACTOR, "--lifetime", "301"), 2, "--lifetime"),
        ((*ACTOR, "--key-id", "a b"), 2, "'a b' is no name of a key"),
    ],
)
def test_token_that_makes_no_sense_is_refused(
    secret_file: Path, options: tuple[str, ...], exit_code: int, complaint: str
) -> None:
    command = ("token", "--key-id", "web-1", "--secret-file", secret_file, "--challenge", "c")
    result = pgchronicle(*command, *options)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert complaint in result.stderr


def test_token_needs_a_secret() -> None:
    result = pgchronicle("token", "--key-id", "k", "--challenge", "c", *ACTOR)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Say --secret-file or --secret-stdin." in result.stderr


def test_management_of_keys_and_gateways_is_recorded(
    admin_dsn: str, database: Database, secret_file: Path
) -> None:
    done("key", "retire", "web-1", "--dsn", admin_dsn)
    done("gateway", "add", "app", "--dsn", admin_dsn)
    done("gateway", "remove", "app", "--dsn", admin_dsn)
    with database.connect("auditor") as auditor:
        found = rows(
            auditor,
            "select db_user, action_type, resource_id, "
            "strpos(e::text, %s) from chronicle.events as e order by seq",
            (secret_file.read_text().strip(),),
        )
    assert found == [
        ("admin", "create", "web-1", 0),
        ("admin", "delete", "web-1", 0),
        ("admin", "create", "app", 0),
        ("admin", "delete", "app", 0),
    ]
