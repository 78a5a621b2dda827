"""What surrounds the code that runs: scopes, what they inherit, and where they reach."""

import asyncio
import contextvars
import threading
from collections import UserDict
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from pgchronicle import ambient
from pgchronicle.models import ContextFields


def test_a_scope_surrounds_its_block_only() -> None:
    assert ambient.fields() == {}
    with ambient.scope(actor_id="ada", actor_type="user"):
        assert ambient.fields() == {"actor_id": "ada", "actor_type": "user"}
    assert ambient.fields() == {}


def test_a_scope_ends_with_an_error_as_well() -> None:
    with pytest.raises(RuntimeError), ambient.scope(reason="ticket 7"):
        raise RuntimeError
    assert ambient.fields() == {}


def test_a_nested_scope_inherits_and_gives_back() -> None:
    with ambient.scope(actor_id="ada", actor_type="user", reason="ticket 7"):
        with ambient.scope(reason="ticket 8", request_id="r-1"):
            assert ambient.fields() == {
                "actor_id": "ada",
                "actor_type": "user",
                "reason": "ticket 8",
                "request_id": "r-1",
            }
        assert ambient.fields() == {"actor_id": "ada", "actor_type": "user", "reason": "ticket 7"}


def test_annotate_adds_to_the_innermost_scope() -> None:
    with ambient.scope(request_id="r-1"):
        with ambient.scope(reason="ticket 7"):
            ambient.annotate(actor_id="ada", actor_type="user")
            assert ambient.fields() == {
                "request_id": "r-1",
                "reason": "ticket 7",
                "actor_id": "ada",
                "actor_type": "user",
            }
        assert ambient.fields() == {"request_id": "r-1"}


def test_annotate_outside_any_scope_says_what_is_missing() -> None:
    with pytest.raises(LookupError, match="outside any scope: install a middleware"):
        ambient.annotate(actor_id="ada")


def test_annotate_in_a_copied_context_reaches_the_scope() -> None:
    with ambient.scope(request_id="r-1"):
        copied = contextvars.copy_context()
        worker = threading.Thread(
            target=copied.run, args=(lambda: ambient.annotate(actor_id="ada"),)
        )
        worker.start()
        worker.join()
        assert ambient.fields() == {"request_id": "r-1", "actor_id": "ada"}


def test_annotations_at_the_same_time_are_both_kept() -> None:
    class Interrupted(UserDict[str, int]):
        """Another thread annotates while this is being put together with what was said."""

        def keys(self) -> Any:
            threads.append(threading.Thread(target=copied.run, args=(annotate_other,)))
            threads[0].start()
            # For as long as it takes, unless it has to wait.
            threads[0].join(0.2)
            return super().keys()

    def annotate_other() -> None:
        ambient.annotate(reason="other")

    threads: list[threading.Thread] = []
    with ambient.scope(client_info={"one": 1}):
        copied = contextvars.copy_context()
        ambient.annotate(client_info=Interrupted(two=2))
        threads[0].join()
        assert ambient.fields() == {"client_info": {"one": 1, "two": 2}, "reason": "other"}


def test_a_thread_of_its_own_is_outside_the_scope() -> None:
    seen: list[ContextFields] = []
    with ambient.scope(actor_id="ada"):
        thread = threading.Thread(
            target=contextvars.Context().run, args=(lambda: seen.append(ambient.fields()),)
        )
        thread.start()
        thread.join()
    assert seen == [{}]


def test_tasks_side_by_side_see_their_own_scope() -> None:
    async def act(actor: str, turns: asyncio.Barrier) -> ContextFields:
        with ambient.scope(actor_id=actor):
            await turns.wait()
            ambient.annotate(reason=f"by {actor}")
            await turns.wait()
            return ambient.fields()

    async def both() -> list[ContextFields]:
        turns = asyncio.Barrier(2)
        return [*await asyncio.gather(act("ada", turns), act("bob", turns))]

    assert asyncio.run(both()) == [
        {"actor_id": "ada", "reason": "by ada"},
        {"actor_id": "bob", "reason": "by bob"},
    ]


def test_a_scope_may_be_left_in_another_context_than_it_was_entered_in() -> None:
    @contextmanager
    def framework() -> Generator[None]:
        with ambient.scope(actor_id="ada"):
            yield

    entered = framework()
    contextvars.copy_context().run(entered.__enter__)
    contextvars.copy_context().run(entered.__exit__, None, None, None)
    assert ambient.fields() == {}


def test_fields_are_a_copy() -> None:
    with ambient.scope(actor_id="ada"):
        ambient.fields()["actor_id"] = "mallory"
        assert ambient.fields() == {"actor_id": "ada"}


@pytest.mark.parametrize(
    ("outer", "inner", "both"),
    [
        pytest.param(
            {"reason": "a", "request_id": "1"},
            {"reason": "b"},
            {"reason": "b", "request_id": "1"},
            id="the inner field wins",
        ),
        pytest.param(
            {"reason": "a"}, {"reason": None}, {"reason": "a"}, id="None is as one left out"
        ),
        pytest.param(
            {"actor_id": "ada", "actor_type": "admin", "actor_role": "root", "reason": "a"},
            {"actor_id": "bob"},
            {"actor_id": "bob", "reason": "a"},
            id="another id is another actor",
        ),
        pytest.param(
            {"actor_id": "ada", "actor_type": "user", "impersonator_id": "eve"},
            {"actor_type": "system"},
            {"actor_type": "system"},
            id="another type is another actor",
        ),
        pytest.param(
            {"actor_id": 7, "actor_type": "user", "actor_role": "clerk"},
            {"actor_id": "7", "reason": "a"},
            {"actor_id": "7", "actor_type": "user", "actor_role": "clerk", "reason": "a"},
            id="the same actor keeps its role, however its id is written",
        ),
        pytest.param(
            {"actor_type": "user"},
            {"actor_id": "ada"},
            {"actor_type": "user", "actor_id": "ada"},
            id="an id completes a type",
        ),
        pytest.param(
            {"actor_type": "anonymous", "reason": "a"},
            {"actor_id": "ada"},
            {"actor_id": "ada", "reason": "a"},
            id="whoever has an id is not anonymous",
        ),
        pytest.param(
            {"client_info": {"app": "shop", "version": 1}},
            {"client_info": {"version": 2}},
            {"client_info": {"app": "shop", "version": 2}},
            id="client_info is merged by key",
        ),
    ],
)
def test_merged(outer: ContextFields, inner: ContextFields, both: ContextFields) -> None:
    before = outer.copy(), inner.copy()
    assert ambient.merged(outer, inner) == both
    assert (outer, inner) == before


def test_an_unknown_field_is_refused_where_it_is_said() -> None:
    with (
        pytest.raises(TypeError, match=r"^the context has no field actor, user$"),
        # What the checkers refuse too.
        ambient.scope(actor="ada", user=7),  # type: ignore[call-arg]  # pyright: ignore
    ):
        pass


def test_a_supplier_is_asked_when_the_fields_are_wanted() -> None:
    known: list[ContextFields | None] = [None, {"actor_id": "ada", "actor_type": "user"}]
    with ambient.scope(lambda: known.pop(0), request_id="r-1"):
        assert ambient.fields() == {"request_id": "r-1"}
        assert ambient.fields() == {
            "request_id": "r-1",
            "actor_id": "ada",
            "actor_type": "user",
        }


def test_what_was_said_wins_over_the_supplier() -> None:
    with ambient.scope(lambda: {"actor_id": "ada", "actor_type": "user", "actor_role": "clerk"}):
        ambient.annotate(actor_id="cron", actor_type="service")
        assert ambient.fields() == {"actor_id": "cron", "actor_type": "service"}


def test_a_nested_scope_keeps_the_supplier_unless_it_has_its_own() -> None:
    with ambient.scope(lambda: {"actor_id": "ada"}):
        with ambient.scope(reason="ticket 7"):
            assert ambient.fields() == {"actor_id": "ada", "reason": "ticket 7"}
        with ambient.scope(lambda: {"actor_id": "bob"}):
            assert ambient.fields() == {"actor_id": "bob"}


def test_a_supplier_that_asks_for_the_fields_gets_those_known_without_it() -> None:
    seen: list[ContextFields] = []

    def look_up() -> ContextFields:
        seen.append(ambient.fields())
        return {"actor_id": "ada"}

    with ambient.scope(look_up, request_id="r-1"):
        assert ambient.fields() == {"request_id": "r-1", "actor_id": "ada"}
    assert seen == [{"request_id": "r-1"}]


def _raises() -> ContextFields:
    raise KeyError("user")


def _names_what_is_no_field() -> ContextFields:
    # What the checkers refuse too.
    return {"user": "ada"}  # type: ignore[typeddict-unknown-key]  # pyright: ignore


@pytest.mark.parametrize(
    ("supplier", "error"), [(_raises, "KeyError"), (_names_what_is_no_field, "TypeError")]
)
def test_a_supplier_that_fails_is_logged_and_leaves_the_rest(
    supplier: ambient.Supplier, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    with ambient.scope(supplier, request_id="r-1"):
        assert ambient.fields() == {"request_id": "r-1", "client_info": {"context_error": error}}
    assert [(record.name, record.levelname, record.message) for record in caplog.records] == [
        (
            "pgchronicle.ambient",
            "ERROR",
            "who acts is not known: what was asked for it has failed",
        )
    ]


def test_a_scope_can_be_taken_to_a_thread_of_its_own() -> None:
    seen: list[ContextFields] = []

    def work(surrounding: ambient.Scope) -> None:
        with ambient.within(surrounding):
            seen.append(ambient.fields())
        seen.append(ambient.fields())

    with ambient.scope(actor_id="ada") as surrounding:
        thread = threading.Thread(target=contextvars.Context().run, args=(work, surrounding))
        thread.start()
        thread.join()
    assert seen == [{"actor_id": "ada"}, {}]
