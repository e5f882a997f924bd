"""Holds every route, task and command to the checked-in authorisation table."""

import ast
import inspect
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from celery import Task
from django.apps import apps
from django.core.management import get_commands, load_command_class
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from imprimatur.api.endpoints import PUBLIC, SIGNED_IN
from imprimatur.config import processes
from imprimatur.config.celery import app as celery

from governance.policy.permissions import Permission
from governance.policy.predicates import is_system
from governance.policy.table import TABLE as POLICY
from governance.tables.roles import DatabaseRole

TABLE = yaml.safe_load((Path(__file__).parent / "authorisation.yaml").read_text(encoding="utf-8"))
ROWS: dict[str, dict[str, str]] = {
    route: methods
    for part in ("api", "portal", "installation")
    for route, methods in TABLE[part].items()
}
TASKS: dict[str, dict[str, str]] = TABLE["tasks"]
COMMANDS: dict[str, dict[str, str]] = TABLE["commands"]
TOOLS: dict[str, list[str]] = TABLE["tools"]
ROOT = Path(__file__).resolve().parents[2]
OURS = ("imprimatur.", "generation.", "templates.", "governance.")
# What asks the broker to start a task, and the two modules that may: the relay, and the demo's
# attack, which shows that a hint from elsewhere opens nothing.
SENDING = {"send_task", "apply_async", "delay", "apply"}
SENDERS = {"imprimatur/config/management/commands/relay.py", "imprimatur/config/demo/main_job.py"}
# What the metrics ask for: a token of the installation, as Prometheus is nobody with a role.
METRICS_TOKEN = "metrics-token"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CASES = [(route, method) for route in ROWS for method in METHODS]


def routes(
    patterns: list[URLPattern | URLResolver] | None = None, prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield every route of the root configuration with its view."""
    for each in get_resolver().url_patterns if patterns is None else patterns:
        here = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(each.url_patterns, here)
        else:
            yield here, each.callback


def address(route: str) -> str:
    """Return an address of that route, with ids that name nothing."""
    for part, example in {
        "<path:rest>": "nothing/here",
        "<slug:code>": "not_found",
        "<int:number>": "1",
    }.items():
        route = route.replace(part, example)
    while "<uuid:" in route:
        start, end = route.index("<uuid:"), route.index(">")
        route = f"{route[:start]}{UUID(int=7)}{route[end + 1 :]}"
    return f"/{route}"


class TestTable:
    def test_lists_every_route_and_no_other(self) -> None:
        assert {route for route, _ in routes()} == set(ROWS)

    def test_names_permissions_that_exist(self) -> None:
        known = {PUBLIC, SIGNED_IN, METRICS_TOKEN, *(permission.value for permission in Permission)}
        named = {need for methods in ROWS.values() for need in methods.values()}
        assert named <= known

    def test_agrees_with_what_each_endpoint_declares(self) -> None:
        declared: dict[str, dict[str, str]] = {}
        for route, view in routes():
            endpoint = getattr(view, "cls", None)
            if endpoint is None or not route.startswith("api/v1/"):
                continue
            declared[route] = {
                method: getattr(endpoint, method.lower()).needs
                for method in METHODS
                if hasattr(endpoint, method.lower())
            }
        assert declared == {route: ROWS[route] for route in declared}
        assert len(declared) > 30

    def test_leaves_no_decision_to_a_key_or_an_admin(self) -> None:
        from governance.policy.predicates import is_person, is_platform_admin

        for permission in (Permission.REVIEW_CASE_DECIDE, Permission.PUBLISHING_RELEASE_WITHDRAW):
            assert all(is_person in clause for clause in POLICY[permission])
            assert not any(is_platform_admin in clause for clause in POLICY[permission])


@pytest.mark.django_db
class TestAnonymous:
    @pytest.mark.parametrize(("route", "method"), CASES, ids=lambda part: part or "home")
    def test_gets_what_is_public_and_nothing_else(self, route: str, method: str) -> None:
        client = Client(raise_request_exception=False)
        answer = client.generic(method, address(route))
        need = ROWS[route].get(method)
        if need is None:
            assert answer.status_code in {404, 405} or is_sent_to_sign_in(answer)
        elif need == PUBLIC:
            assert not is_sent_to_sign_in(answer)
            assert answer.status_code in {200, 302, 400, 503}
        else:
            assert is_sent_to_sign_in(answer)


def is_sent_to_sign_in(answer: Any) -> bool:
    return answer.status_code == 401 or (
        answer.status_code == 302 and answer.headers["Location"].startswith("/sign-in/?next=")
    )


def task_modules() -> list[str]:
    """Return the task modules of every app."""
    found = [f"{config.name}.tasks" for config in apps.get_app_configs()]
    return [
        name
        for name in found
        if name.startswith(OURS) and Path(import_module(name[:-6]).__path__[0], "tasks.py").exists()
    ]


def tasks() -> dict[str, Task]:
    """Return every task that any app registers, by its name."""
    for name in task_modules():
        import_module(name)
    celery.finalize(auto=True)
    return {name: task for name, task in celery.tasks.items() if not name.startswith("celery.")}


def senders(folder: Path) -> set[str]:
    """Return the modules below `folder` that ask a broker to start a task, by their paths."""
    return {
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in SENDING
        # Much else is applied to one thing; a task is given its arguments in a list or by name.
        and not (node.func.attr == "apply" and _is_one_thing(node.args))
    }


def _is_one_thing(arguments: list[ast.expr]) -> bool:
    return len(arguments) == 1 and not isinstance(arguments[0], ast.List | ast.Tuple)


class TestTasks:
    def test_are_all_listed_and_no_other(self) -> None:
        assert set(tasks()) == set(TASKS)

    @pytest.mark.parametrize("name", TASKS)
    def test_are_loaded_by_their_process_and_by_no_other(self, name: str) -> None:
        module = tasks()[name].__module__
        commands = processes.commands(host="", port=0)
        loading = [process for process, argv in commands.items() if module in argv]
        assert loading == [TASKS[name]["process"]]

    @pytest.mark.parametrize("name", TASKS)
    def test_act_as_the_system_which_alone_may(self, name: str) -> None:
        assert TASKS[name]["as"] == "system"
        assert POLICY[Permission(TASKS[name]["needs"])] == ((is_system,),)

    @pytest.mark.parametrize("name", TASKS)
    def test_take_ids_and_never_who_acts(self, name: str) -> None:
        taken = inspect.signature(tasks()[name].run).parameters
        named = {key for key, p in taken.items() if p.kind is not inspect.Parameter.VAR_KEYWORD}
        assert all(taken[key].kind is inspect.Parameter.KEYWORD_ONLY for key in named)
        assert all(key.endswith("_id") for key in named)

    def test_are_sent_by_the_relay_alone(self) -> None:
        assert senders(ROOT / "platform") == SENDERS
        assert [senders(ROOT / r) for r in ("generation", "governance", "templates")] == [set()] * 3

    def test_would_be_seen_to_be_sent_by_another(self, tmp_path: Path) -> None:
        (tmp_path / "own.py").write_text("task.delay(item_id=1)", encoding="utf-8")
        assert senders(tmp_path) == {"own.py"}


class TestCommands:
    def test_are_all_listed_and_no_other(self) -> None:
        ours = {n for n, where in get_commands().items() if str(where).startswith(OURS)}
        assert ours == set(COMMANDS)

    def test_of_others_are_all_listed_and_no_other(self) -> None:
        others = {n for n, where in get_commands().items() if not str(where).startswith(OURS)}
        listed = [name for names in TOOLS.values() for name in names]
        assert sorted(listed) == sorted(others)

    @pytest.mark.parametrize("name", COMMANDS)
    def test_run_under_a_login_that_is_there(self, name: str) -> None:
        assert COMMANDS[name]["login"] in {*DatabaseRole, "owner", "none"}

    @pytest.mark.parametrize("name", COMMANDS)
    def test_act_as_whom_they_say(self, name: str) -> None:
        row = COMMANDS[name]
        match row["as"]:
            case "system":
                assert (is_system,) in POLICY[Permission(row["needs"])]
            case "person":
                assert asks_for_whom(name) or name.startswith("demo_")
                assert "needs" not in row or Permission(row["needs"])
            case other:
                assert other == "nobody"
                assert "needs" not in row

    @pytest.mark.parametrize("name", [n for n, row in COMMANDS.items() if row["as"] != "person"])
    def test_let_nobody_choose_whom_they_act_as(self, name: str) -> None:
        assert not asks_for_whom(name)


def asks_for_whom(name: str) -> bool:
    """Tell whether a command, or one of its acts, has the option that names whom it acts as."""
    command = load_command_class(str(get_commands()[name]), name)
    parser = ArgumentParser()
    command.add_arguments(parser)
    acts = [
        act
        for action in parser._actions
        if isinstance(action, _SubParsersAction)
        for act in action.choices.values()
    ]
    return any("--as" in each._option_string_actions for each in (parser, *acts))


class TestAdmin:
    def test_site_is_not_installed(self) -> None:
        """Django's admin would be a way to write past every service."""
        assert not apps.is_installed("django.contrib.admin")
        callbacks = [getattr(view, "__module__", "") for _route, view in routes()]
        assert [name for name in callbacks if name.startswith("django.contrib.admin")] == []
