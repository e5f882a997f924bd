"""Promise 1 below the code: each process logs in as its own role, and may write only what is its.

Every right is tried, not looked up: as each role, on each table of evidence, against PostgreSQL.
Each attack is made as each role: what its rights or the guards refuse stands in a literal table,
and the control gives the rights and takes the guards away, and sees the attack succeed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from imprimatur.publishing import services as publishing
from imprimatur.publishing.selectors import PublicationRecord
from psycopg.errors import InsufficientPrivilege

from generation.assets.selectors import AssetRecord
from governance.kernel.digests import sha256_hex
from governance.kernel.ids import uuid7
from governance.outbox import services as outbox
from governance.release import services as release_services
from governance.release.records import ReleaseRecord
from governance.review.records import CaseRecord
from governance.tables import guards, roles
from governance.tables.roles import DatabaseRole
from tests import databases
from tests.factories import people
from tests.factories import publishing as press_factory
from tests.factories import review as make
from tests.factories.review import NOW
from tests.promises import attacks

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no roles"),
]

APP, REVIEWER, PUBLISHER, SEQUENCER, AUDITOR = DatabaseRole
EVERYBODY = {APP, REVIEWER, PUBLISHER, SEQUENCER}
MAKERS = {APP, REVIEWER}

# Who adds rows to a table of evidence. Nobody changes, deletes or replaces one.
ADDED_BY: dict[str, set[DatabaseRole]] = {
    "assets_asset": {APP},
    "assets_imagefeatures": {APP},
    "assets_score": {APP},
    "assets_step": {APP},
    "jobs_usedpicture": {REVIEWER},
    "jobs_wornadapter": {REVIEWER},
    "ledger_checkpoint": {SEQUENCER},
    "ledger_cosignature": {SEQUENCER},
    "ledger_entry": EVERYBODY,
    "ledger_leaf": {SEQUENCER},
    "prompts_templaterelease": {REVIEWER},
    "pictures_picture": {REVIEWER},
    "publishing_closure": {REVIEWER},
    "publishing_finding": {PUBLISHER},
    "publishing_quarantine": {PUBLISHER},
    "publishing_receipt": {PUBLISHER},
    "publishing_removal": {PUBLISHER},
    "quota_entry": {APP, REVIEWER, SEQUENCER},
    "refusals_override": {REVIEWER},
    "refusals_passuse": {REVIEWER},
    "refusals_refusal": EVERYBODY,
    "registry_scorercard": {APP, REVIEWER},
    "release_passport": {PUBLISHER},
    "release_release": {PUBLISHER},
    "release_withdrawal": {REVIEWER},
    "review_annotation": {REVIEWER},
    "review_answer": {REVIEWER},
    "review_approval": {REVIEWER},
    "review_assignment": {REVIEWER},
    "review_checklistitem": {REVIEWER},
    "review_conditionmet": {REVIEWER},
    "review_contribution": MAKERS,
    "review_decision": {REVIEWER},
    "review_delivery": {REVIEWER},
    "review_exhibit": {REVIEWER},
    "review_group": {REVIEWER},
    "review_pin": MAKERS,
    "review_reply": {REVIEWER},
    "review_resolution": {REVIEWER},
    "review_stage": {REVIEWER},
    "review_subject": MAKERS,
    "rights_use": {REVIEWER},
}
# Who adds and who changes rows that live: a state, a balance, a person. Nobody deletes one.
CHANGED_BY: dict[str, tuple[set[DatabaseRole], set[DatabaseRole]]] = {
    "accounts_apikey": ({REVIEWER}, {REVIEWER}),
    "accounts_membership": ({REVIEWER}, {REVIEWER}),
    "accounts_user": ({REVIEWER}, {REVIEWER}),
    "assets_blob": ({APP, REVIEWER, PUBLISHER}, {REVIEWER}),
    "brands_brand": ({REVIEWER}, {REVIEWER}),
    "brands_ruleset": ({REVIEWER}, {REVIEWER}),
    "brands_scoringpolicy": ({REVIEWER}, {REVIEWER}),
    "jobs_generationjob": ({REVIEWER}, {REVIEWER}),
    "jobs_jobitem": ({REVIEWER}, {APP, REVIEWER, SEQUENCER}),
    # The sweeper changes some columns: the identity that UPDATE is tried on stays out of its reach.
    "jobs_replay": (MAKERS, {APP}),
    "ledger_head": ({SEQUENCER}, {SEQUENCER}),
    "ledger_tile": ({SEQUENCER}, {SEQUENCER}),
    "licences_licence": ({REVIEWER}, {REVIEWER}),
    "prompts_prompttemplate": ({REVIEWER}, {REVIEWER}),
    "prompts_templateversion": ({REVIEWER}, {REVIEWER}),
    "publishing_destination": ({REVIEWER}, {REVIEWER}),
    "publishing_publication": ({REVIEWER}, {PUBLISHER}),
    # Changed column by column: the identity that UPDATE is tried on stays out of reach.
    "quota_account": ({REVIEWER}, set()),
    "quota_request": ({REVIEWER}, {REVIEWER}),
    "refusals_appeal": ({REVIEWER}, set()),
    "registry_adapter": ({REVIEWER}, {REVIEWER}),
    "registry_engineendpoint": ({REVIEWER}, {REVIEWER}),
    "registry_modelprofile": ({REVIEWER}, {REVIEWER}),
    "registry_scorerprofile": ({REVIEWER}, {REVIEWER}),
    "review_breakglass": ({REVIEWER}, {REVIEWER}),
    "review_case": (MAKERS, {REVIEWER}),
    "review_claim": ({REVIEWER}, {REVIEWER}),
    "review_groupmember": ({REVIEWER}, {REVIEWER}),
    "review_policy": ({REVIEWER}, {REVIEWER}),
    "review_seat": ({APP, REVIEWER, SEQUENCER}, {REVIEWER, SEQUENCER}),
    "review_turn": ({APP, REVIEWER, SEQUENCER}, {REVIEWER, SEQUENCER}),
    "rights_rightsrecord": ({REVIEWER}, {REVIEWER}),
    "sealing_personhold": ({REVIEWER}, {REVIEWER}),
    "sealing_personkey": (EVERYBODY, {REVIEWER}),
}
NOBODY: set[DatabaseRole] = set()


def tried(statement: str, *values: Any) -> bool:
    """Tell whether the login of this moment may do it; anything but a missing right is a fault."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, list(values))
            transaction.set_rollback(True)
    except DatabaseError as error:
        if isinstance(error.__cause__, InsufficientPrivilege):
            return False
        raise
    return True


def key_of(table: str) -> str:
    """Return the column of a table's primary key."""
    with connection.cursor() as cursor:
        column = connection.introspection.get_primary_key_column(cursor, table)
    assert column is not None
    return column


# Each act on a table, in SQL that meets no row: only the right decides whether it runs.
ACTS: dict[str, str] = {
    "INSERT": "INSERT INTO {table} SELECT * FROM {table} WHERE false",
    "UPDATE": "UPDATE {table} SET {key} = {key} WHERE false",
    "DELETE": "DELETE FROM {table} WHERE false",
    "TRUNCATE": "TRUNCATE {table} CASCADE",
    "REPLACE": (
        "INSERT INTO {table} SELECT * FROM {table} WHERE false "
        "ON CONFLICT ({key}) DO UPDATE SET {key} = EXCLUDED.{key}"
    ),
    "LOOSEN": "ALTER TABLE {table} DISABLE TRIGGER USER",
    "SHADOW": "CREATE TEMPORARY TABLE {table} (LIKE public.{table})",
}
# What no role may do anywhere, whatever the table.
NEVER = [
    "SET session_replication_role = replica",
    "CREATE TABLE public.own (id int)",
    "CREATE SCHEMA own",
    "CREATE FUNCTION public.own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    (
        "CREATE OR REPLACE FUNCTION ledger_entry_append_only_fn() RETURNS trigger "
        "LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
    ),
    "DROP TRIGGER ledger_entry_append_only ON ledger_entry",
    (
        "CREATE TRIGGER own BEFORE INSERT ON ledger_entry FOR EACH ROW "
        "EXECUTE FUNCTION ledger_entry_append_only_fn()"
    ),
    "CREATE RULE own AS ON INSERT TO ledger_entry DO INSTEAD NOTHING",
    "DROP TABLE ledger_entry CASCADE",
    "CREATE ROLE own",
    "COPY ledger_entry FROM PROGRAM 'true'",
]


def acts_on(table: str) -> set[str]:
    """Return the acts that the login of this moment may do on a table."""
    key = key_of(table)
    return {name for name, sql in ACTS.items() if tried(sql.format(table=table, key=key))}


class TestEvidence:
    def test_is_all_in_the_two_tables(self) -> None:
        why = "say who writes it: WRITERS in the app's guards.py, and a row here"
        assert guards.append_only_tables() == set(ADDED_BY), why
        assert guards.permanent_tables() - guards.append_only_tables() == set(CHANGED_BY), why

    @pytest.mark.parametrize("role", DatabaseRole)
    def test_is_added_to_by_its_writers_and_changed_by_nobody(self, role: DatabaseRole) -> None:
        with databases.as_role(role):
            found = {table: acts_on(table) for table in ADDED_BY}
        expected = {table: {"INSERT"} if role in by else set() for table, by in ADDED_BY.items()}
        assert found == expected

    @pytest.mark.parametrize("role", DatabaseRole)
    def test_that_lives_is_changed_by_its_keepers_and_deleted_by_nobody(
        self, role: DatabaseRole
    ) -> None:
        with databases.as_role(role):
            found = {table: acts_on(table) for table in CHANGED_BY}
        expected = {}
        for table, (add, change) in CHANGED_BY.items():
            expected[table] = {"INSERT"} if role in add else set()
            expected[table] |= {"UPDATE"} if role in change else set()
            expected[table] |= {"REPLACE"} if role in add & change else set()
        assert found == expected

    @pytest.mark.parametrize("role", DatabaseRole)
    def test_is_read_by_all(self, role: DatabaseRole) -> None:
        with databases.as_role(role):
            unread = [t for t in (*ADDED_BY, *CHANGED_BY) if not tried(f"SELECT * FROM {t}")]
        assert unread == []

    @pytest.mark.parametrize("act", ["INSERT", "UPDATE", "DELETE", "TRUNCATE"])
    def test_is_open_to_whoever_is_given_the_right(self, act: str) -> None:
        """The control: the right alone makes the difference that the tables above see."""
        table = "publishing_receipt"
        with databases.as_role("app"):
            assert act not in acts_on(table)
            with databases.as_owner(), connection.cursor() as cursor:
                cursor.execute(f"GRANT {act} ON {table} TO {roles.login('app')}")
            if act == "TRUNCATE":
                # Then the guard refuses it: a right is not all that stands there.
                with pytest.raises(IntegrityError, match="append-only"):
                    tried(f"TRUNCATE {table}")
            else:
                assert act in acts_on(table)
        with databases.as_role("app"):
            assert act not in acts_on(table)


class TestSmallRights:
    @pytest.mark.parametrize(
        ("role", "table", "column", "other"),
        [
            ("sequencer", "publishing_publication", "hinted_at", "state"),
            ("reviewer", "publishing_publication", "state", "marked_sha256"),
            ("sequencer", "review_breakglass", "overdue_at", "state"),
            ("reviewer", "refusals_appeal", "state", "argument"),
            ("app", "quota_account", "reserved", "holder_id"),
        ],
    )
    def test_reach_one_column_and_no_other(
        self, role: str, table: str, column: str, other: str
    ) -> None:
        with databases.as_role(role):
            assert tried(f"UPDATE {table} SET {column} = {column} WHERE false")
            assert not tried(f"UPDATE {table} SET {other} = {other} WHERE false")

    @pytest.mark.parametrize("role", DatabaseRole)
    def test_leave_previews_to_who_watches_paints_and_sweeps(self, role: DatabaseRole) -> None:
        with databases.as_role(role):
            acts = acts_on("jobs_preview")
            assert ("INSERT" in acts) == (role == REVIEWER)
            assert ("UPDATE" in acts) == (role in {APP, REVIEWER, SEQUENCER})

    @pytest.mark.parametrize("role", DatabaseRole)
    def test_leave_live_sessions_to_web(self, role: DatabaseRole) -> None:
        """Who reads a session's key can be that person; who writes one can be anybody."""
        mine = {REVIEWER}
        with databases.as_role(role):
            assert tried("SELECT session_key FROM django_session") == (role in mine)
            assert ("INSERT" in acts_on("django_session")) == (role in mine)

    @pytest.mark.parametrize("role", DatabaseRole)
    def test_leave_the_inbox_and_the_hints_to_the_relay(self, role: DatabaseRole) -> None:
        with databases.as_role(role):
            for table in ("ledger_pending", "outbox_outbox"):
                assert ("DELETE" in acts_on(table)) == (role == SEQUENCER)


class TestNobody:
    @pytest.mark.parametrize("role", DatabaseRole)
    def test_may_change_what_the_database_is(self, role: DatabaseRole) -> None:
        with databases.as_role(role):
            assert [statement for statement in NEVER if tried(statement)] == []

    @pytest.mark.parametrize("role", DatabaseRole)
    def test_may_act_as_another(self, role: DatabaseRole) -> None:
        with databases.as_owner():
            owner = connection.settings_dict["USER"]
            for other in DatabaseRole:
                databases.make_login(roles.login(other), databases.ROLE_PASSWORD)
        others = [owner, *(roles.login(other) for other in DatabaseRole if other != role)]
        with databases.as_role(role):
            assert [name for name in others if tried(f'SET ROLE "{name}"')] == []

    def test_is_what_the_owner_shows_to_be_possible(self) -> None:
        """The control: the same statements run, as the owner, in this very database."""
        with databases.as_owner():
            refused = [s for s in NEVER if "PROGRAM" not in s and not tried(s)]
        assert refused == []


@dataclass
class Scene:
    """One brand with a published image, another in review and a third that nobody looked at."""

    folder: Path
    press: press_factory.Press = field(init=False)
    half: CaseRecord = field(init=False)
    open: CaseRecord = field(init=False)
    release: ReleaseRecord = field(init=False)
    publication: PublicationRecord = field(init=False)
    person: UUID = field(init=False)
    id: UUID = field(default_factory=uuid7)

    def __post_init__(self) -> None:
        self.press = press_factory.Press(self.folder)
        self.half = self.press.case_of(self.press.image())
        make.decide(self.half, self.press.team.brand_reviewer)
        self.open = self.press.case_of(self.press.image())
        self.release = self.press.recorded()
        self.publication = self.press.ordered(self.release)
        self.person = people.admins()[0].id


@dataclass(frozen=True)
class Attack:
    """One way out, in SQL; `right` is what it needs.

    `by_guard` are the roles that have the right, so that a guard must refuse them. Which guard
    refuses what is for the tests of each promise; here all guards of the table stand or are off.
    """

    name: str
    right: str
    by_guard: set[DatabaseRole]
    act: Callable[[Scene], None]


def forged(table: str, row: Callable[[Scene], dict[str, Any]]) -> Callable[[Scene], None]:
    """Insert a row that is whole but for what it claims."""
    return lambda scene: attacks.insert(table, **row(scene))


def like(
    table: str,
    source: Callable[[Scene], Any],
    *,
    key: str = "id",
    **changes: Callable[[Scene], Any],
) -> Callable[[Scene], None]:
    """Insert a copy of a lawful row with changes, under a new id."""

    def row(scene: Scene) -> dict[str, Any]:
        found = attacks.copied(table, source(scene), key=key)
        return {**found, "id": scene.id, **{name: of(scene) for name, of in changes.items()}}

    return forged(table, row)


OTHER_BYTES = sha256_hex(b"other bytes")

ATTACKS = [
    Attack(
        "a contributor decides",
        "INSERT ON review_decision",
        {REVIEWER},
        like(
            "review_decision",
            lambda s: s.half.id,
            key="case_id",
            reviewer_id=lambda s: s.press.marketer.id,
            stage_id=lambda s: s.half.stages[1].id,
        ),
    ),
    Attack(
        "a decision about other bytes",
        "INSERT ON review_decision",
        {REVIEWER},
        like(
            "review_decision",
            lambda s: s.half.id,
            key="case_id",
            reviewer_id=lambda s: s.press.team.compliance_reviewer.id,
            stage_id=lambda s: s.half.stages[1].id,
            sha256=lambda _s: OTHER_BYTES,
        ),
    ),
    Attack(
        "a decision is put under another name",
        "UPDATE ON review_decision",
        NOBODY,
        lambda s: attacks.change("review_decision", s.half.id, key="case_id", reviewer_id=uuid7()),
    ),
    Attack(
        "a decision disappears",
        "DELETE ON review_decision",
        NOBODY,
        lambda s: attacks.delete("review_decision", s.half.id, key="case_id"),
    ),
    Attack(
        "the bytes under review are exchanged",
        "UPDATE ON review_case",
        {REVIEWER},
        lambda s: attacks.change("review_case", s.open.id, sha256=OTHER_BYTES),
    ),
    Attack(
        "an image stands for other bytes",
        "UPDATE ON assets_asset",
        NOBODY,
        lambda s: attacks.change("assets_asset", s.open.subject.id, sha256=OTHER_BYTES),
    ),
    Attack(
        "a case is approved without an approval",
        "UPDATE ON review_case",
        {REVIEWER},
        lambda s: attacks.change("review_case", s.open.id, state="approved", closed_at=NOW),
    ),
    Attack(
        "a release of bytes that nobody approved",
        "INSERT ON release_release",
        {PUBLISHER},
        like(
            "release_release",
            lambda s: s.release.id,
            approval_id=lambda _s: uuid7(),
            reviewed_sha256=lambda _s: OTHER_BYTES,
        ),
    ),
    Attack(
        "a publication of bytes that were not released",
        "INSERT ON publishing_publication",
        {REVIEWER},
        like(
            "publishing_publication",
            lambda s: s.publication.id,
            attempt=lambda _s: 99,
            marked_sha256=lambda _s: OTHER_BYTES,
        ),
    ),
    Attack(
        "an entry leaves the ledger's inbox without a leaf",
        "DELETE ON ledger_pending",
        {SEQUENCER},
        lambda s: attacks.delete("ledger_pending", _waiting(s), key="entry_id"),
    ),
    Attack(
        "the ledger's head goes back",
        "UPDATE ON ledger_head",
        {SEQUENCER},
        lambda _s: _run("UPDATE ledger_head SET size = size - 1 WHERE id = 1"),
    ),
    Attack(
        "somebody vanishes",
        "DELETE ON accounts_user",
        NOBODY,
        lambda s: attacks.delete("accounts_user", s.person),
    ),
]


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        assert cursor.rowcount == 1, "the attack hit nothing"


def _waiting(_scene: Scene) -> UUID:
    with connection.cursor() as cursor:
        cursor.execute("SELECT entry_id FROM ledger_pending LIMIT 1")
        found: UUID = cursor.fetchone()[0]
    return found


def guards_of(attack: Attack) -> list[str]:
    """Return the names of all guards of the table that is attacked."""
    table = attack.right.split()[-1]
    return [guard.name for guard in guards.manifest() if guard.table == table]


def outcome(attack: Attack, scene: Scene) -> str:
    """Make the attack, leave nothing of it, and tell what stopped it: right, guard or nothing."""
    try:
        with transaction.atomic():
            attack.act(scene)
            connection.check_constraints()
            transaction.set_rollback(True)
    except IntegrityError:
        return "guard"
    except DatabaseError as error:
        if not isinstance(error.__cause__, InsufficientPrivilege):
            raise
        return "right"
    return "nothing"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return press_factory.make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def scene(settings: Any, tmp_path: Path, authority: Path) -> Scene:
    press_factory.use_installation(settings, tmp_path, authority)
    return Scene(tmp_path)


class TestAttacks:
    @pytest.mark.parametrize("role", DatabaseRole)
    def test_are_refused_to_every_role(
        self, role: DatabaseRole, scene: Scene, subtests: pytest.Subtests
    ) -> None:
        with databases.as_role(role):
            for attack in ATTACKS:
                with subtests.test(attack.name):
                    expected = "guard" if role in attack.by_guard else "right"
                    assert outcome(attack, scene) == expected

    def test_succeed_with_the_right_and_without_the_guards(
        self, scene: Scene, subtests: pytest.Subtests
    ) -> None:
        """The control, as the worker: the right lets it reach the guards, and past their place."""
        for attack in ATTACKS:
            with subtests.test(attack.name), databases.as_role("app"):
                with databases.as_owner(), connection.cursor() as cursor:
                    cursor.execute(f"GRANT {attack.right} TO {roles.login('app')}")
                assert outcome(attack, scene) == "guard"
                try:
                    with databases.as_owner():
                        attacks.without(guards_of(attack))
                    assert outcome(attack, scene) == "nothing"
                finally:
                    with databases.as_owner():
                        guards.install(connection)


class TestTheirWork:
    def test_is_done_by_each_process_with_its_own_rights_alone(
        self, settings: Any, tmp_path: Path, authority: Path
    ) -> None:
        press_factory.use_installation(settings, tmp_path, authority)
        with databases.as_role("reviewer"):
            press = press_factory.Press(tmp_path)
            job_id = press.job()
        with databases.as_role("sequencer"):
            assert outbox.relay(send=lambda *_: None, now=NOW)
        with databases.as_role("app"):
            asset: AssetRecord = press.made(job_id)
        with databases.as_role("reviewer"):
            case = press.case_of(asset)
            make.approve(press.team, case)
        with databases.as_role("sequencer"):
            press.prove()
            assert publishing.sweep(now=NOW)
        with databases.as_role("publisher"):
            release = publishing.release_case(case_id=case.id, now=NOW)
            assert release is not None
        with databases.as_role("reviewer"):
            publication = press.ordered(release)
        with databases.as_role("sequencer"):
            assert publishing.sweep(now=NOW + timedelta(minutes=1))
        with databases.as_role("publisher"):
            publishing.deliver(publication_id=publication.id, now=NOW)
        with databases.as_role("reviewer"):
            assert press_factory.current(publication).state == "published"
            release_services.withdraw(
                actor=press.team.compliance_reviewer,
                release_id=release.id,
                reason="The model was recalled.",
                now=NOW,
            )

    def test_of_auditors_needs_no_right_but_to_read(self, scene: Scene, tmp_path: Path) -> None:
        scene.press.prove()
        with databases.as_role("auditor"):
            call_command("quota", "check", stdout=StringIO())
            call_command("ledger", "fsck", stdout=StringIO())
            call_command("ledger", "export", str(tmp_path / "export"), stdout=StringIO())
        assert (tmp_path / "export" / "checkpoint").exists()
