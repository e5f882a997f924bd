"""Keys for integrations: never more than their maker, never longer than they may, unreadable."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from imprimatur.accounts import keys, selectors, services
from imprimatur.accounts.models import ApiKey

from governance.kernel.actors import SYSTEM, Actor, ActorKind
from governance.kernel.clock import now as clock_now
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.ledger import selectors as ledger
from governance.policy.permissions import Permission
from governance.policy.permits import NotPermitted, may
from governance.policy.predicates import Context
from tests.factories import people

ORDER = "generation:job:create"


@pytest.fixture
def marta(ada: Actor, brand_id: UUID) -> Actor:
    people.add(ada, "marta", brand_id=brand_id, roles=[Role.MARKETER])
    return people.acting("marta")


class TestCreateKey:
    def test_keeps_the_digest_only(self, marta: Actor) -> None:
        record, text = people.key(marta, ORDER)
        assert text.startswith(f"imp_{record.prefix}_")
        secret = text.rsplit(f"{record.prefix}_", 1)[1]
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM accounts_apikey")
            rows = str(cursor.fetchall())
        assert secret not in rows
        assert keys.digest(text) in rows

    def test_goes_to_the_ledger_without_its_secret(self, marta: Actor) -> None:
        record, text = people.key(marta, ORDER)
        entry = ledger.list_entries(actor=SYSTEM, subject_id=record.id).entries[0]
        assert entry.event == "accounts.key.created"
        assert text.encode() not in entry.body
        assert keys.digest(text).encode() not in entry.body

    @pytest.mark.parametrize(
        "scope",
        [
            "brands:rules:propose",
            "generation:asset:read",
            "generation:item:run",
            "nonsense",
            "publishing:release:create",
            "quota:account:grant",
            "review:case:decide",
            "review:case:open",
        ],
    )
    def test_refuses_what_only_a_person_or_the_system_may(self, marta: Actor, scope: str) -> None:
        with pytest.raises(InvalidInput) as caught:
            people.key(marta, ORDER, scope)
        assert caught.value.pointer == "/scopes/1"
        assert not ApiKey.objects.exists()

    @pytest.mark.parametrize("days", [0, -1, 367])
    def test_refuses_an_end_outside_a_year(self, marta: Actor, days: int) -> None:
        with pytest.raises(InvalidInput) as caught:
            people.key(marta, ORDER, days=days)
        assert caught.value.pointer == "/expires_at"

    def test_refuses_a_brand_that_is_not_the_makers(self, marta: Actor) -> None:
        with pytest.raises(InvalidInput) as caught:
            people.key(marta, ORDER, brand_id=uuid7())
        assert caught.value.pointer == "/brand_id"

    def test_cannot_be_done_by_a_key(self, marta: Actor) -> None:
        _, text = people.key(marta, ORDER)
        integration = services.authenticate_key(text, clock_now())
        assert integration is not None
        with pytest.raises(NotPermitted):
            people.key(integration, ORDER)


class TestAuthenticateKey:
    def test_acts_as_its_maker_within_its_scopes(self, marta: Actor, brand_id: UUID) -> None:
        record, text = people.key(marta, ORDER)
        actor = services.authenticate_key(text, clock_now())
        assert actor is not None
        assert (actor.id, actor.kind, actor.key_id) == (
            marta.id,
            ActorKind.INTEGRATION,
            record.id,
        )
        context = Context(brand_id=brand_id)
        assert may(actor, Permission.GENERATION_JOB_CREATE, context)
        assert not may(actor, Permission.BRANDS_BRAND_READ, context)

    def test_loses_what_its_maker_loses(self, ada: Actor, marta: Actor, brand_id: UUID) -> None:
        _, text = people.key(marta, ORDER)
        held = selectors.list_memberships(ada, user_id=marta.id)[0]
        services.revoke_role(actor=ada, membership_id=held.id, now=people.NOW)
        actor = services.authenticate_key(text, clock_now())
        assert actor is not None
        assert not may(actor, Permission.GENERATION_JOB_CREATE, Context(brand_id=brand_id))

    def test_is_dead_once_its_maker_is_disabled(self, ada: Actor, marta: Actor) -> None:
        _, text = people.key(marta, ORDER)
        services.disable_user(actor=ada, user_id=marta.id, now=people.NOW)
        assert services.authenticate_key(text, clock_now()) is None

    def test_is_dead_once_revoked(self, marta: Actor) -> None:
        record, text = people.key(marta, ORDER)
        services.revoke_key(actor=marta, key_id=record.id, now=clock_now())
        assert services.authenticate_key(text, clock_now()) is None

    def test_is_dead_at_its_end(self, marta: Actor) -> None:
        record, text = people.key(marta, ORDER)
        before = record.expires_at - timedelta(seconds=1)
        assert services.authenticate_key(text, before) is not None
        assert services.authenticate_key(text, record.expires_at) is None

    def test_refuses_another_secret_under_the_same_prefix(self, marta: Actor) -> None:
        record, text = people.key(marta, ORDER)
        other = text[:-1] + ("A" if text[-1] != "A" else "B")
        assert keys.prefix_of(other) == record.prefix
        assert services.authenticate_key(other, clock_now()) is None

    @pytest.mark.parametrize("text", ["", "imp_", "imp_x_y", "Bearer", "imp_" + "é" * 56])
    def test_refuses_what_is_no_key(self, db: None, text: str) -> None:
        assert services.authenticate_key(text, clock_now()) is None

    def test_limited_to_a_brand_gives_no_admins_sight(self, ada: Actor, brand_id: UUID) -> None:
        people.add(ada, "linus", brand_id=brand_id, roles=[Role.MARKETER])
        linus = people.acting("linus")
        services.grant_role(actor=ada, user_id=linus.id, role=Role.PLATFORM_ADMIN, now=people.NOW)
        linus = people.acting("linus")
        _, wide = people.key(linus, "brands:brand:read")
        _, narrow = people.key(linus, "brands:brand:read", brand_id=brand_id)
        seen = [services.authenticate_key(text, clock_now()) for text in (wide, narrow)]
        assert [actor.is_platform_admin for actor in seen if actor] == [True, False]

    def test_notes_its_use_at_most_once_a_minute(
        self, marta: Actor, django_assert_num_queries: Any
    ) -> None:
        record, text = people.key(marta, ORDER)
        now = clock_now()
        services.authenticate_key(text, now)
        with django_assert_num_queries(2):
            services.authenticate_key(text, now + timedelta(seconds=59))
        services.authenticate_key(text, now + timedelta(seconds=60))
        assert ApiKey.objects.get(pk=record.id).last_used_at == now + timedelta(seconds=60)


class TestRevokeKey:
    def test_hides_other_peoples_keys(self, marta: Actor, ada: Actor) -> None:
        record, _ = people.key(ada, ORDER)
        with pytest.raises(NotFound):
            services.revoke_key(actor=marta, key_id=record.id, now=clock_now())
        assert [key.id for key in selectors.list_keys(marta)] == []

    def test_is_also_the_admins(self, marta: Actor, ada: Actor) -> None:
        record, _ = people.key(marta, ORDER)
        assert record.id in {key.id for key in selectors.list_keys(ada)}
        assert services.revoke_key(actor=ada, key_id=record.id, now=clock_now()).revoked_at

    def test_twice_is_recorded_once(self, marta: Actor) -> None:
        record, _ = people.key(marta, ORDER)
        first = services.revoke_key(actor=marta, key_id=record.id, now=clock_now())
        again = services.revoke_key(actor=marta, key_id=record.id, now=clock_now())
        assert first.revoked_at == again.revoked_at
        events = [e.event for e in ledger.list_entries(actor=SYSTEM, subject_id=record.id).entries]
        assert events == ["accounts.key.revoked", "accounts.key.created"]
