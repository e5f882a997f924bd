"""Every guard of every app is attacked by a row; the rows that no other file has stand here."""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from generation.jobs import services as jobs
from governance.kernel.digests import sha256_hex
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.ledger.models import Entry, Leaf
from governance.sealing import services as sealing
from governance.sealing.models import PersonKey
from governance.tables import guards
from templates.brands import services as brands
from tests import promises
from tests.factories import jobs as make
from tests.factories import refusals, review
from tests.integration.accounts import test_guards as people
from tests.integration.ledger.log import Signing, make_signing, write
from tests.promises import test_quota
from tests.promises.attacks import (
    Attack,
    bound,
    change,
    constraint,
    copied,
    count,
    delete,
    insert,
    play,
    replace,
)

NOBODY = UUID(int=1)
# Row-for-row attacks of the log stand in `test_ledger.py` too, by statement and without names.
TILE, HEAD, CHECKPOINT = "ledger_tile", "ledger_head", "ledger_checkpoint"


class Log:
    """Three signed leaves, and an entry that waits in the inbox."""

    def __init__(self, signing: Signing) -> None:
        signing.grow(3)
        write(1)
        self.first = Leaf.objects.get(seq=0).entry_id
        self.waiting = Entry.objects.get(leaf__isnull=True).id
        self.id = uuid7()

    def leaf(self, seq: int, entry_id: UUID) -> None:
        """Make a leaf of an entry."""
        insert("ledger_leaf", seq=seq, entry_id=entry_id, leaf_hash=b"x" * 32)


def _signed(size: int) -> Any:
    """Return an attack that records a checkpoint of that size."""
    return lambda _: insert(CHECKPOINT, size=size, root=b"x" * 32, note="x", created_at=review.NOW)


LOG: tuple[Attack[Log], ...] = (
    Attack(
        "edit an entry",
        ["ledger_entry_append_only"],
        lambda s: change("ledger_entry", s.first, actor_id=s.id),
        lambda s: count("ledger_entry", actor_id=s.id) == 1,
    ),
    Attack(
        "redirect the inbox",
        ["ledger_pending_frozen"],
        lambda s: change("ledger_pending", s.waiting, key="entry_id", entry_id=s.first),
        lambda s: count("ledger_pending", entry_id=s.first) == 1,
    ),
    Attack(
        "lose an entry from the inbox",
        ["ledger_pending_until_leaf"],
        lambda s: delete("ledger_pending", s.waiting, key="entry_id"),
        lambda s: count("ledger_pending", entry_id=s.waiting) == 0,
    ),
    Attack(
        "queue what was never said",
        [bound("ledger_pending", "entry_id")],
        lambda s: insert("ledger_pending", entry_id=s.id),
        lambda s: count("ledger_pending", entry_id=s.id) == 1,
    ),
    Attack(
        "edit a leaf",
        ["ledger_leaf_append_only"],
        lambda _: _numbered("UPDATE ledger_leaf SET leaf_hash = %s WHERE seq = 2", b"x" * 32),
        lambda _: bytes(Leaf.objects.get(seq=2).leaf_hash) == b"x" * 32,
    ),
    Attack(
        "give a stranger a leaf",
        [bound("ledger_leaf", "entry_id")],
        lambda s: s.leaf(3, s.id),
        lambda s: count("ledger_leaf", entry_id=s.id) == 1,
    ),
    Attack(
        "leave a gap",
        ["ledger_leaf_contiguous"],
        lambda s: s.leaf(9, s.waiting),
        lambda _: count("ledger_leaf", seq=9) == 1,
    ),
    Attack(
        "give an entry a second leaf in place of its first",
        ["ledger_leaf_once"],
        lambda s: replace("ledger_leaf", key="seq", seq=3, entry_id=s.first, leaf_hash=b"x" * 32),
        lambda _: count("ledger_leaf", seq=3) == 1,
        vendor="sqlite",
    ),
    Attack(
        "delete a tile",
        [f"{TILE}_never_deleted"],
        lambda _: _numbered("DELETE FROM ledger_tile WHERE level = %s", 0),
        lambda _: count(TILE, level=0) == 0,
    ),
    Attack(
        "move a tile",
        [f"{TILE}_frozen"],
        lambda _: _numbered("UPDATE ledger_tile SET number = %s WHERE level = 0", 5),
        lambda _: count(TILE, number=5) == 1,
    ),
    Attack(
        "put a tile in another's place",
        [f"{TILE}_once"],
        lambda _: replace(TILE, key="id", level=0, number=0, hashes=b"x" * 32),
        lambda _: count(TILE, hashes=b"x" * 32) == 1,
        vendor="sqlite",
    ),
    Attack(
        "edit a tile",
        [f"{TILE}_grows"],
        lambda _: _numbered("UPDATE ledger_tile SET hashes = %s WHERE level = 0", b"x" * 32),
        lambda _: count(TILE, hashes=b"x" * 32) == 1,
    ),
    Attack(
        "delete the head",
        [f"{HEAD}_never_deleted"],
        lambda _: _numbered("DELETE FROM ledger_head WHERE id = %s", 1),
        lambda _: count(HEAD, id=1) == 0,
    ),
    Attack(
        "set the head aside",
        [f"{HEAD}_frozen", constraint(HEAD, "log_has_one_head")],
        lambda _: _numbered("UPDATE ledger_head SET id = %s", 2),
        lambda _: count(HEAD, id=2) == 1,
    ),
    Attack(
        "shrink the head",
        [f"{HEAD}_grows"],
        lambda _: _numbered("UPDATE ledger_head SET size = %s", 2),
        lambda _: count(HEAD, size=2) == 1,
    ),
    Attack(
        "edit a checkpoint",
        [f"{CHECKPOINT}_append_only"],
        lambda _: _numbered("UPDATE ledger_checkpoint SET note = %s", "x"),
        lambda _: count(CHECKPOINT, note="x") == 1,
    ),
    Attack(
        "sign ahead of the log",
        [f"{CHECKPOINT}_grows"],
        _signed(99),
        lambda _: count(CHECKPOINT, size=99) == 1,
    ),
    Attack(
        "sign a smaller log",
        [f"{CHECKPOINT}_grows"],
        _signed(1),
        lambda _: count(CHECKPOINT, size=1) == 1,
    ),
)


def _numbered(statement: str, value: object) -> None:
    """Run a statement on a table whose key is no UUID; it must hit one row."""
    with connection.cursor() as cursor:
        cursor.execute(statement, [value])
        assert cursor.rowcount == 1, "the attack hit nothing"


class Shop:
    """A brand with an image, scoring policies, a refusal, a template, a key and a destroyed key."""

    def __init__(self) -> None:
        shop = make.shop()
        claim = make.claimed(shop.order().items[0])
        self.asset = jobs.finish(
            claim=claim,
            rendered=make.rendered(claim, scores=[]),
            contributors={uuid7(): "template_author"},
            now=review.NOW,
        )
        self.refusal = refusals.of_image(shop)[0].id
        self.template, self.bare_template = shop.version.template_id, uuid7()
        row = copied(TEMPLATE, self.template)
        insert(TEMPLATE, **row | {"id": self.bare_template, "slug": "bare"})
        self.scoring = shop.policy.id
        self.proposed = brands.propose_scoring_policy(
            actor=shop.team.manager,
            brand_id=shop.brand_id,
            advisory=False,
            thresholds=make.SHARPNESS,
            now=review.NOW,
        ).id
        self.person, self.erased = uuid7(), uuid7()
        for person in (self.person, self.erased):
            sealing.seal(person_id=person, text="Jane", purpose="test")
        self.key = PersonKey.objects.get(person_id=self.person).id
        steward = review.person(shop.brand_id, Role.DATA_STEWARD)
        with transaction.atomic():
            sealing.destroy_key(actor=steward, person_id=self.erased, now=review.NOW)
        self.erased_key = PersonKey.objects.get(person_id=self.erased).id
        self.id = uuid7()

    def scoring_row(self, **changes: Any) -> dict[str, Any]:
        """Return the row of one more scoring policy, as one that is only proposed."""
        return copied(SCORING, self.proposed) | {"id": self.id.hex, "number": 9} | changes


SCORING, KEY, TEMPLATE = "brands_scoringpolicy", "sealing_personkey", "prompts_prompttemplate"


def is_there(table: str) -> Any:
    """Return an attack's question: the forged row, under the scene's id, is there."""
    return lambda s: count(table, id=s.id) == 1


RECORDS: tuple[Attack[Shop], ...] = (
    Attack(
        "make a second image of an item, in place of the first",
        ["assets_asset_once"],
        lambda s: replace(
            "assets_asset",
            key="item_id",
            **copied("assets_asset", s.asset) | {"id": s.id.hex, "subject_id": s.asset.hex},
        ),
        is_there("assets_asset"),
        vendor="sqlite",
    ),
    Attack(
        "soften a refusal",
        ["refusals_refusal_append_only"],
        lambda s: change("refusals_refusal", s.refusal, score=0.0),
        lambda s: count("refusals_refusal", id=s.refusal, score=0.0) == 1,
    ),
    Attack(
        "forget a template",
        [f"{TEMPLATE}_never_deleted"],
        lambda s: replace(
            TEMPLATE, key="id", **copied(TEMPLATE, s.template) | {"slug": "elsewhere"}
        ),
        lambda s: count(TEMPLATE, id=s.template, slug="elsewhere") == 1,
        vendor="sqlite",
    ),
    Attack(
        "put a template in another's place",
        ["prompts_template_once"],
        lambda s: replace(
            TEMPLATE, key="slug", **copied(TEMPLATE, s.bare_template) | {"id": s.id.hex}
        ),
        is_there(TEMPLATE),
        vendor="sqlite",
    ),
    Attack(
        "lose a scoring policy",
        [f"{SCORING}_never_deleted"],
        lambda s: delete(SCORING, s.proposed),
        lambda s: count(SCORING, id=s.proposed) == 0,
    ),
    Attack(
        "only advise, after all",
        [f"{SCORING}_frozen"],
        lambda s: change(SCORING, s.proposed, sha256="0" * 64),
        lambda s: count(SCORING, id=s.proposed, sha256="0" * 64) == 1,
    ),
    Attack(
        "put a scoring policy in another's place",
        [f"{SCORING}_once"],
        lambda s: replace(
            SCORING, key="id", **s.scoring_row(number=copied(SCORING, s.proposed)["number"])
        ),
        is_there(SCORING),
        vendor="sqlite",
    ),
    Attack(
        "put a scoring policy on record as approved",
        [f"{SCORING}_starts_open"],
        lambda s: insert(SCORING, **s.scoring_row(approved_by=NOBODY.hex, approved_at=review.NOW)),
        is_there(SCORING),
    ),
    Attack(
        "put another's name under a scoring policy's approval",
        [f"{SCORING}_approved_once"],
        lambda s: change(SCORING, s.scoring, approved_at=None, approved_by=None),
        lambda s: copied(SCORING, s.scoring)["approved_by"] is None,
    ),
    Attack(
        "lose a person's key",
        [f"{KEY}_never_deleted"],
        lambda s: delete(KEY, s.key),
        lambda s: count(KEY, id=s.key) == 0,
    ),
    Attack(
        "give a person's key to another",
        [f"{KEY}_frozen"],
        lambda s: change(KEY, s.key, person_id=NOBODY),
        lambda s: count(KEY, id=s.key, person_id=NOBODY) == 1,
    ),
    Attack(
        "bring a destroyed key back",
        [f"{KEY}_stays_destroyed"],
        lambda s: change(
            KEY, s.erased_key, wrapped=b"x" * 60, destroyed_at=None, destroyed_by=None
        ),
        lambda s: copied(KEY, s.erased_key)["destroyed_at"] is None,
    ),
    Attack(
        "put a second key beside the living one, or in its place",
        [f"{KEY}_one_live", constraint(KEY, "person_has_one_live_key")],
        lambda s: insert(KEY, **copied(KEY, s.key) | {"id": s.id}),
        is_there(KEY),
    ),
)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(make_signing(tmp_path / "keys"))


@pytest.fixture
def shop(settings: Any, tmp_path: Path) -> Shop:
    review.use_sealing_key(settings, tmp_path)
    make.use_blobs(settings, tmp_path / "blobs")
    return Shop()


@pytest.mark.django_db(transaction=True)
def test_the_log_only_grows(log: Log, subtests: pytest.Subtests) -> None:
    play(LOG, log, subtests)


@pytest.mark.django_db(transaction=True)
def test_what_is_on_record_stays(shop: Shop, subtests: pytest.Subtests) -> None:
    play(RECORDS, shop, subtests)


# Nothing attacks these by name, each for its reason; an attack on one of them takes its line away.
NOT_ATTACKED: dict[str, str] = {}


def test_every_guard_of_every_app_is_attacked() -> None:
    refusing = {
        guard.name
        for guard in guards.manifest()
        if any("RAISE" in piece.create for piece in guard.sqlite)
    }
    attacked = _attacked()
    assert refusing - attacked - NOT_ATTACKED.keys() == set()
    assert NOT_ATTACKED.keys() - (refusing - attacked) == set()


def test_the_census_sees_a_guard_that_nobody_attacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control."""
    forgotten = guards.append_only(f"table_{sha256_hex(b'')[:8]}")
    known = list(guards.manifest())
    monkeypatch.setattr(guards, "manifest", lambda: iter([*known, forgotten]))
    with pytest.raises(AssertionError, match=forgotten.name):
        test_every_guard_of_every_app_is_attacked()


def _attacked() -> set[str]:
    """Return the guards that the rows of all promises name, and those of people and quota."""
    modules = [
        importlib.import_module(f"{promises.__name__}.{found.name}")
        for found in pkgutil.iter_modules(promises.__path__)
    ]
    named = {
        name
        for module in (*modules, people)
        for value in vars(module).values()
        for attack in _rows(value)
        for name in attack.refused_by
    }
    # The books are attacked in rows of their own form, each with its fences.
    books = (test_quota.ATTACKS, test_quota.SQLITE_ATTACKS, test_quota.POSTGRESQL_ATTACKS)
    return named | {name for table in books for _, fences in table.values() for name in fences}


def _rows(value: object) -> Iterator[Attack[Any]]:
    """Yield the attacks in a module's value: a row, or a list of rows."""
    rows: Iterable[object] = value if isinstance(value, (list, tuple)) else (value,)
    yield from (row for row in rows if isinstance(row, Attack))
