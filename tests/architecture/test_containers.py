"""The containers, read where no engine runs them: commands, ports, variables, secrets, keys.

Each rule is a function that returns what is wrong, so that a broken copy can be held against it.
"""

import copy
import io
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dockerfile_parse import DockerfileParser
from imprimatur.config import health, processes

from governance.tables.roles import DatabaseRole
from tests.architecture import settings_reference

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
PORT = 8000
VAR = "/var/lib/imprimatur"
KEYS = f"{VAR}/keys"
# What each key folder's owner is for; nobody else may mount it. `keys` makes them and is gone.
HOLDERS = {
    f"{KEYS}/relay": {"relay"},
    f"{KEYS}/publisher": {"publisher"},
    # Whoever seals or reveals personal text: the publisher reads what reviewers wrote.
    f"{KEYS}/sealing": {"web", "worker", "worker-gpu", "publisher"},
}
CEREMONY = "keys"
OURS = ("web", "worker", "worker-gpu", "publisher", "relay", "roles", "migrate", CEREMONY)
# Who may be told the owner's password: they run before the processes, and are gone.
OWNERS = ("roles", "migrate")
# What the images set that Python or Django reads, and no setting of ours.
NOT_SETTINGS = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "DJANGO_SETTINGS_MODULE"}
# Which process each service is, and on which device.
PROCESSES = {
    "web": ("web", "cpu"),
    "worker": ("worker", "cpu"),
    "worker-gpu": ("worker", "cuda"),
    "publisher": ("publisher", "cpu"),
    "relay": ("relay", "cpu"),
}
COMMANDS = {
    CEREMONY: ["-m", "django", "keys"],
    "roles": ["-m", "django", "roles", "--apply"],
    "migrate": ["-m", "django", "migrate", "--skip-checks", "--database", "owner"],
}

Compose = dict[str, Any]
Stage = dict[str, Any]


def read_compose() -> Compose:
    """Return the compose file with its anchors resolved."""
    found: Compose = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    return found


def read_stages(text: str) -> dict[str, Stage]:
    """Return each stage of a Dockerfile: what it stands on, and its instructions in order."""
    parser = DockerfileParser(fileobj=io.BytesIO(text.encode()))
    stages: dict[str, Stage] = {}
    here: list[tuple[str, str]] = []
    for line in parser.structure:
        instruction, value = line["instruction"], line["value"]
        if instruction == "FROM":
            parent, _as, name = value.split()
            here = []
            stages[name] = {"parent": parent, "does": here}
        elif instruction != "COMMENT":
            here.append((instruction, value))
    return stages


def dockerfile() -> dict[str, Stage]:
    """Return our stages."""
    return read_stages((DOCKER / "Dockerfile").read_text(encoding="utf-8"))


def lineage(stages: dict[str, Stage], name: str) -> Iterator[Stage]:
    """Yield a stage and what it stands on, nearest first."""
    while name in stages:
        yield stages[name]
        name = stages[name]["parent"]


def last(stages: dict[str, Stage], name: str, instruction: str) -> str | None:
    """Return the value of an instruction that counts for a target."""
    return next(
        (
            value
            for stage in lineage(stages, name)
            for found, value in reversed(stage["does"])
            if found == instruction
        ),
        None,
    )


def target(mount: str) -> str:
    """Return where a mount appears in the container.

    >>> target("${MODELS:-models}:/var/lib/models:ro")
    '/var/lib/models'
    """
    return mount.removesuffix(":ro").rpartition(":")[2]


def wrong_commands(compose: Compose) -> list[str]:
    """Return the services whose command is not the one that their process has."""
    expected = {
        service: processes.commands(host="0.0.0.0", port=PORT, device=device)[process]
        for service, (process, device) in PROCESSES.items()
    } | COMMANDS
    return [
        service
        for service, command in expected.items()
        if compose["services"].get(service, {}).get("command") != command
    ]


def published_ports(compose: Compose) -> dict[str, list[str]]:
    """Return the ports that can be reached from outside, by service."""
    return {name: s["ports"] for name, s in compose["services"].items() if "ports" in s}


def unknown_variables(compose: Compose) -> list[str]:
    """Return what is set in a container of ours that no setting reads."""
    known = settings_reference.names()
    return [
        f"{service}: {name}"
        for service in OURS
        for name in compose["services"][service]["environment"]
        if name not in known
    ]


def missing_variables(compose: Compose) -> list[str]:
    """Return the required settings that a container of ours is not given."""
    required = [v.name for v in settings_reference.variables() if v.is_required]
    return [
        f"{service}: {name}"
        for service in OURS
        for name in required
        if not {name, f"{name}_FILE"} & compose["services"][service]["environment"].keys()
    ]


def loose_secrets(compose: Compose) -> list[str]:
    """Return secrets that stand in the open, or are mounted or named without the other."""
    secret = {v.name for v in settings_reference.variables() if v.is_secret}
    wrong = []
    for service in OURS:
        body = compose["services"][service]
        named = {
            Path(value).name
            for name, value in body["environment"].items()
            if name.endswith("_FILE") and str(value).startswith("/run/secrets/")
        }
        wrong += [f"{service}: {name} in the open" for name in secret & body["environment"].keys()]
        wrong += [f"{service}: {name}" for name in named ^ set(body.get("secrets", []))]
    return wrong


def misplaced_keys(compose: Compose) -> list[str]:
    """Return mounts of a key folder by who may not hold it, and holders that lack theirs."""
    wrong = []
    for service, body in compose["services"].items():
        mounts = [target(mount) for mount in body.get("volumes", [])]
        for folder, holders in HOLDERS.items():
            # A folder above it would hold it too.
            has = any(folder == m or folder.startswith(f"{m.rstrip('/')}/") for m in mounts)
            if service != CEREMONY and has != (service in holders):
                wrong.append(f"{service}: {folder}")
    return wrong


def wrong_logins(compose: Compose) -> list[str]:
    """Return the services that are told another login than their process's, or a role's password.

    `roles` alone is told the passwords, to make the logins; `keys` has no network to log in over.
    """
    wrong = []
    for service in OURS:
        process = PROCESSES[service][0] if service in PROCESSES else ""
        told = {
            Path(value).name
            for name, value in compose["services"][service]["environment"].items()
            if name.startswith("DATABASE_")
        }
        passwords = {f"{role}_password" for role in DatabaseRole} if service == "roles" else set()
        login = "database_url_auditor" if service == CEREMONY else "database_owner_url"
        if process:
            login = f"database_url_{processes.ROLES[process]}"
        if told != {login, *passwords}:
            wrong.append(service)
    return wrong


def missing_mounts(compose: Compose) -> list[str]:
    """Return paths in a container's environment that nothing is mounted on."""
    wrong = []
    for service in OURS:
        body = compose["services"][service]
        mounts = [target(mount) for mount in body.get("volumes", [])]
        for name, value in body["environment"].items():
            if str(value).startswith(VAR) and not any(str(value).startswith(m) for m in mounts):
                wrong.append(f"{service}: {name}")
    return wrong


def not_confined(compose: Compose) -> list[str]:
    """Return containers of ours that could write, rise or (but for web and publisher) reach out."""
    wrong = []
    for service in OURS:
        body = compose["services"][service]
        confined = (
            body.get("read_only") is True
            and body.get("cap_drop") == ["ALL"]
            and "no-new-privileges:true" in body.get("security_opt", [])
            and "privileged" not in body
        )
        reaches_out = "outside" in body.get("networks", []) or "network_mode" in body
        may = service in {"web", "publisher"} or body.get("network_mode") == "none"
        if not confined or (reaches_out and not may):
            wrong.append(service)
    return wrong


def unordered_starts(compose: Compose) -> list[str]:
    """Return processes that do not wait for the migrations, the database and the broker."""
    needs = {
        "migrate": {"condition": "service_completed_successfully"},
        "postgres": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
    }
    wrong = [s for s in PROCESSES if compose["services"][s].get("depends_on") != needs]
    made = {"condition": "service_completed_successfully"}
    if compose["services"]["migrate"].get("depends_on", {}).get("roles") != made:
        wrong.append("migrate")
    wrong += [
        s for s in ("postgres", "redis") if "test" not in compose["services"][s]["healthcheck"]
    ]
    return wrong


RULES: dict[Callable[[Compose], object], object] = {
    wrong_commands: [],
    published_ports: {"web": [f"127.0.0.1:${{PORT:-{PORT}}}:{PORT}"]},
    unknown_variables: [],
    missing_variables: [],
    loose_secrets: [],
    misplaced_keys: [],
    wrong_logins: [],
    # Web compares the paths of proposed destinations with it; only the publisher writes there.
    missing_mounts: ["web: DESTINATION_ROOTS"],
    not_confined: [],
    unordered_starts: [],
}


def mistake(rule: Callable[[Compose], object], compose: Compose) -> None:  # noqa: C901  one for each rule
    """Make the mistake that a rule is there to see."""
    services = compose["services"]
    match rule.__name__:
        case "wrong_commands":
            services["publisher"]["command"] = services["worker"]["command"]
        case "published_ports":
            services["redis"]["ports"] = ["6379:6379"]
        case "unknown_variables":
            services["web"]["environment"]["ALOWED_HOSTS"] = "example.org"
        case "missing_variables":
            del services["relay"]["environment"]["CELERY_BROKER_URL_FILE"]
        case "loose_secrets":
            services["web"]["environment"]["SECRET_KEY"] = "in the open"
        case "misplaced_keys":
            services["worker"]["volumes"].append(f"keys:{KEYS}")
        case "wrong_logins":
            url = services["web"]["environment"]["DATABASE_URL_FILE"]
            services["worker"]["environment"]["DATABASE_URL_FILE"] = url
        case "missing_mounts":
            services["relay"]["volumes"] = []
        case "not_confined":
            services["worker"]["networks"] = ["inside", "outside"]
        case "unordered_starts":
            del services["web"]["depends_on"]["migrate"]


class TestCompose:
    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
    def test_keeps_the_rule(self, rule: Callable[[Compose], object]) -> None:
        assert rule(read_compose()) == RULES[rule]

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
    def test_would_be_seen_to_break_the_rule(self, rule: Callable[[Compose], object]) -> None:
        broken = copy.deepcopy(read_compose())
        mistake(rule, broken)
        assert rule(broken) != RULES[rule]

    def test_has_the_four_processes_and_what_they_need(self) -> None:
        assert set(read_compose()["services"]) == {*OURS, "postgres", "redis"}
        named = {process for process, _device in PROCESSES.values()}
        assert named == set(processes.commands(host="0.0.0.0", port=PORT))

    def test_tells_the_owners_role_to_whoever_makes_roles_and_tables_only(self) -> None:
        services = read_compose()["services"]
        named = [s for s in OURS if "DATABASE_OWNER_URL_FILE" in services[s]["environment"]]
        mounted = [s for s in services if "database_owner_url" in services[s].get("secrets", [])]
        assert sorted(named) == sorted(mounted) == sorted(OWNERS)

    def test_makes_keys_only_when_asked_and_without_a_network(self) -> None:
        ceremony = read_compose()["services"][CEREMONY]
        assert ceremony["profiles"] == ["setup"]
        assert ceremony["network_mode"] == "none"
        assert ceremony["restart"] == "no"

    def test_mounts_keys_read_only_but_for_the_signers_memory(self) -> None:
        writable = {
            (service, mount)
            for service, body in read_compose()["services"].items()
            for mount in body.get("volumes", [])
            if KEYS in mount and not mount.endswith(":ro") and service != CEREMONY
        }
        assert writable == {("relay", f"keys-relay:{KEYS}/relay")}

    def test_names_volumes_networks_and_secrets_that_it_declares(self) -> None:
        compose = read_compose()
        used: dict[str, set[str]] = {"volumes": set(), "networks": set(), "secrets": set()}
        for body in compose["services"].values():
            sources = [mount.rsplit(":/", 1)[0] for mount in body.get("volumes", [])]
            used["volumes"] |= {s for s in sources if not s.startswith((".", "$"))}
            used["volumes"] |= {
                m[1] for s in sources if (m := re.fullmatch(r"\$\{\w+:-(\w+)\}", s))
            }
            used["networks"] |= set(body.get("networks", []))
            used["secrets"] |= set(body.get("secrets", []))
        assert used == {kind: set(compose[kind]) for kind in used}

    def test_keeps_the_inner_network_without_a_way_out(self) -> None:
        assert read_compose()["networks"]["inside"] == {"internal": True}

    def test_sets_workers_to_the_device_of_their_queue(self) -> None:
        services = read_compose()["services"]
        for service, (process, device) in PROCESSES.items():
            if process == "worker":
                assert services[service]["environment"]["WORKER_DEVICE"] == device

    def test_has_its_secrets_made_by_the_script(self) -> None:
        script = (DOCKER / "make_secrets.sh").read_text(encoding="utf-8")
        made = set(re.findall(r"^keep (\w+) ", script, re.MULTILINE))
        for_each = {"app", "reviewer", "publisher", "sequencer", "auditor"}
        assert "for role in app reviewer publisher sequencer auditor; do" in script
        made |= {f"{role}_password" for role in for_each}
        made |= {f"database_url_{role}" for role in for_each}
        assert made == set(read_compose()["secrets"])
        assert for_each == set(DatabaseRole)

    def test_speaks_of_the_roles_that_the_script_makes(self) -> None:
        roles = (DOCKER / "roles.sql").read_text(encoding="utf-8")
        script = (DOCKER / "make_secrets.sh").read_text(encoding="utf-8")
        defaults = dict(re.findall(r"\\set (database|owner) (\w+)", roles))
        urls = re.findall(r"postgres://(\S+):\$\(read_secret (\S+)\)@postgres:5432/(\w+)", script)
        assert urls == [
            ("imprimatur_$role", '"${role}_password"', defaults["database"]),
            (defaults["owner"], "owner_password", defaults["database"]),
        ]

    def test_calls_the_roles_as_the_settings_do(self) -> None:
        (prefix,) = (v for v in settings_reference.variables() if v.name == "DATABASE_ROLES")
        assert prefix.default == "'imprimatur_'"


class TestDockerfile:
    def test_has_the_three_targets(self) -> None:
        stages = dockerfile()
        built = {
            service["build"]["target"]
            for service in read_compose()["services"].values()
            if "build" in service
        }
        assert built == {"web", "worker", "worker-gpu"}
        assert built <= stages.keys()

    @pytest.mark.parametrize("service", ["web", "worker", "worker-gpu"])
    def test_starts_what_the_process_list_says(self, service: str) -> None:
        process, device = PROCESSES[service]
        stages = dockerfile()
        assert json.loads(last(stages, service, "ENTRYPOINT") or "") == ["python"]
        expected = processes.commands(host="0.0.0.0", port=PORT, device=device)[process]
        assert json.loads(last(stages, service, "CMD") or "") == expected

    @pytest.mark.parametrize("target", ["web", "worker", "worker-gpu"])
    def test_runs_as_nobody_in_particular(self, target: str) -> None:
        assert last(dockerfile(), target, "USER") == "10001:10001"

    @pytest.mark.parametrize("target", ["web", "worker", "worker-gpu"])
    def test_asks_for_health(self, target: str) -> None:
        assert "docker/healthcheck.py" in (last(dockerfile(), target, "HEALTHCHECK") or "")

    def test_listens_on_the_one_port(self) -> None:
        exposed = [
            (name, value)
            for name, stage in dockerfile().items()
            for instruction, value in stage["does"]
            if instruction == "EXPOSE"
        ]
        assert exposed == [("web", str(PORT))]

    def test_sets_only_variables_that_are_read(self) -> None:
        names = {
            name
            for stage in dockerfile().values()
            for instruction, value in stage["does"]
            if instruction == "ENV"
            for name in re.findall(r"(\w+)=\S+", value)
        }
        assert names - settings_reference.names() == NOT_SETTINGS

    def test_takes_nothing_into_web_that_was_built_for_the_worker(self) -> None:
        sources = [
            value
            for stage in lineage(dockerfile(), "web")
            for instruction, value in stage["does"]
            if instruction == "COPY"
        ]
        assert sources
        assert all("--from=build-web " in source for source in sources)
        installs = [
            value
            for stage in lineage(dockerfile(), "build-web")
            for instruction, value in stage["does"]
            if instruction == "RUN" and "pip install" in value
        ]
        assert [install for install in installs if "worker" in install] == []

    def test_installs_no_torch_with_what_web_needs(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        heavy = re.compile(
            r"torch|diffusers|transformers|open.clip|safetensors|tokenizers", re.IGNORECASE
        )
        assert [d for d in project["dependencies"] if heavy.match(d)] == []
        assert [d for d in project["optional-dependencies"]["worker"] if heavy.match(d)] != []

    def test_copies_only_what_exists_and_is_sent_to_the_builder(self) -> None:
        sent = {
            line.removeprefix("!")
            for line in (DOCKER / "Dockerfile.dockerignore")
            .read_text(encoding="utf-8")
            .splitlines()
            if line.startswith("!")
        }
        copied = {
            path
            for stage in dockerfile().values()
            for instruction, value in stage["does"]
            if instruction == "COPY" and "--from" not in value
            for path in value.split()[:-1]
        }
        assert copied == sent
        assert [path for path in copied if not (ROOT / path).exists()] == []

    def test_makes_the_folders_that_compose_mounts(self) -> None:
        made = " ".join(
            value for instruction, value in dockerfile()["base"]["does"] if instruction == "RUN"
        )
        mounted = {
            target(mount)
            for service in OURS
            for mount in read_compose()["services"][service].get("volumes", [])
        }
        assert mounted
        assert [folder for folder in mounted if f" {folder} " not in f"{made} "] == []

    def test_reads_stages_as_they_stand(self) -> None:
        stages = read_stages('FROM a AS one\nRUN x \\\n  y\n# said\nFROM one AS two\nCMD ["b"]\n')
        assert stages["two"]["parent"] == "one"
        assert stages["one"]["does"] == [("RUN", "x   y")]
        assert last(stages, "two", "RUN") == "x   y"


class TestHealthcheck:
    def test_asks_for_parts_that_the_process_has(self) -> None:
        source = (DOCKER / "healthcheck.py").read_text(encoding="utf-8")
        scope: dict[str, Any] = {"__name__": "healthcheck"}
        exec(compile(source, "healthcheck.py", "exec"), scope)  # noqa: S102  it lies beside the images, in no package
        assert scope["PORT"] == PORT
        assert {part for parts in scope["PARTS"].values() for part in parts} == set(health.PROBES)
        asked = {
            body["healthcheck"]["test"][3]
            for service in PROCESSES
            for body in [read_compose()["services"][service]]
        }
        assert asked == {"web", *scope["PARTS"]}
