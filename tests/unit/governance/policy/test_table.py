"""The permission table, whole and literal: who may do what in a brand, and with one's own."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.kernel.actors import SYSTEM, Actor, ActorKind
from governance.kernel.roles import Role
from governance.policy import permits, predicates, table
from governance.policy.permissions import Permission
from governance.policy.permits import NotPermitted, granting_clause, may, require
from governance.policy.predicates import Context

BRAND = UUID(int=1)
OTHER_BRAND = UUID(int=2)
ME = UUID(int=3)
BRAND_STAGE = frozenset({Role.BRAND_REVIEWER})

WHO = {
    "auditor": Actor(ME, roles={BRAND: frozenset({Role.AUDITOR})}),
    "brand_manager": Actor(ME, roles={BRAND: frozenset({Role.BRAND_MANAGER})}),
    "brand_reviewer": Actor(ME, roles={BRAND: frozenset({Role.BRAND_REVIEWER})}),
    "compliance_reviewer": Actor(ME, roles={BRAND: frozenset({Role.COMPLIANCE_REVIEWER})}),
    "data_steward": Actor(ME, roles={BRAND: frozenset({Role.DATA_STEWARD})}),
    "marketer": Actor(ME, roles={BRAND: frozenset({Role.MARKETER})}),
    "platform_admin": Actor(ME, is_platform_admin=True),
    "system": SYSTEM,
    "outsider": Actor(ME),
}
# In the brand, as in WHO, then with what is one's own: as a marketer, as an outsider.
# A review case stands at a stage for brand reviewers.
LITERAL = """
accounts:key:create              · · · · · · · · · | + +
accounts:key:revoke              · · · · · · + · · | + +
accounts:membership:grant        · · · · · · + · · | · ·
accounts:membership:revoke       · · · · · · + · · | · ·
accounts:password:change         · · · · · · · · · | + +
accounts:platform:bootstrap      · · · · · · · + · | · ·
accounts:user:create             · · · · · · + · · | · ·
accounts:user:disable            · · · · · · + · · | · ·
accounts:user:enable             · · · · · · + · · | · ·
accounts:user:read               · · · · · · + · · | + +
brands:brand:create              · · · · · · + · · | · ·
brands:brand:read                + + + + + + + + · | + ·
brands:data_class:set            · · · · + · · · · | · ·
brands:market:set                · · · · · · + · · | · ·
brands:rules:propose             · + · · · · · · · | · ·
generation:asset:read            + + + + + + · + · | + ·
generation:item:run              · · · · · · · + · | · ·
generation:job:cancel            · + · · · · · · · | + ·
generation:job:create            · · · · · + · · · | + ·
generation:job:read              + + + + · · · + · | + ·
generation:picture:read          + + + + + + · + · | + ·
generation:picture:take_in       · + · · + + · · · | + ·
generation:replay:create         + + + + · · · · · | · ·
generation:replay:read           + + + + + + · + · | + ·
ledger:entry:read                + · · · · · + + · | · ·
ledger:hold:lift                 · · · · + · · · · | · ·
ledger:hold:place                · · · · + · · · · | · ·
ledger:hold:read                 + · · · + · · · · | · ·
ledger:log:sequence              · · · · · · · + · | · ·
ledger:person:erase              · · · · + · · · · | · ·
licences:licence:approve         · · · · · · + · · | · ·
licences:licence:propose         · · · · · · + · · | · ·
licences:licence:read            + + + + + + + + · | + ·
licences:licence:retire          · · · · · · + · · | · ·
notices:notice:read              · · · · · · · · · | + +
prompts:template:draft           · + · · · · · · · | · ·
prompts:template:read            + + + + + + · + · | + ·
prompts:template:release         · + · · · · · · · | · ·
prompts:template:retire          · + · · · · · · · | · ·
prompts:template:submit          · + · · · · · · · | · ·
publishing:destination:approve   · · · · · · + · · | · ·
publishing:destination:propose   · · · · · · + · · | · ·
publishing:destination:read      + + + + + + + + · | + ·
publishing:destination:reconcile · · · · · · · + · | · ·
publishing:finding:close         · + · · · · + · · | · ·
publishing:finding:read          + + · · · · + · · | · ·
publishing:publication:create    · + · · · + · · · | + ·
publishing:publication:deliver   · · · · · · · + · | · ·
publishing:publication:read      + + + + + + · + · | + ·
publishing:publication:unpublish · · · · · · · + · | · ·
publishing:recall:retry          · + · + · · · · · | · ·
publishing:release:create        · · · · · · · + · | · ·
publishing:release:read          + + + + + + · + · | + ·
publishing:release:withdraw      · + · + · · · · · | · ·
quota:account:grant              · · · · · · + · · | · ·
quota:account:read               + + · · · · + + · | + +
quota:request:create             · + · · · · · · · | + ·
quota:request:decide             · · · · · · + · · | · ·
quota:request:read               + + · · · · + · · | + ·
quota:request:withdraw           · · · · · · · · · | + +
refusals:appeal:decide           · · · + · · · · · | · ·
refusals:appeal:open             · · · · · · · · · | + ·
refusals:appeal:read             + · · + · · · + · | + ·
refusals:refusal:override        · · · + · · · · · | · ·
refusals:refusal:read            + + + + · · · + · | + ·
registry:adapter:approve         · · · · · · + · · | · ·
registry:adapter:propose         · · · · · · + · · | · ·
registry:adapter:read            + + + + + + + + · | + ·
registry:endpoint:approve        · · · · · · + · · | · ·
registry:endpoint:propose        · · · · · · + · · | · ·
registry:profile:approve         · · · · · · + · · | · ·
registry:profile:propose         · · · · · · + · · | · ·
registry:profile:read            + + + + + + + + · | + ·
registry:scorer:approve          · · · · · · + · · | · ·
registry:scorer:propose          · · · · · · + · · | · ·
review:break_glass:confirm       · + · + · · · · · | · ·
review:break_glass:judge         · · · + · · · · · | · ·
review:break_glass:open          · + · + · · · · · | · ·
review:break_glass:read          + + + + · · · + · | + ·
review:break_glass:stop          · + + + · · · · · | · ·
review:break_glass:use           · · · · · · · · · | · ·
review:case:decide               · · + · · · · · · | · ·
review:case:open                 · + · · · · · + · | · ·
review:case:read                 + + + + · · · + · | + ·
review:case:void                 · + · + · · · + · | · ·
review:condition:confirm         · + + + · · · · · | · ·
review:exhibit:file              · + + + · · · · · | · ·
review:group:change              · + · · · · · · · | · ·
review:policy:propose            · + · · · · · · · | · ·
review:thread:write              · + + + · · · · · | + ·
review:turn:assign               · + · + · · · · · | · ·
rights:record:confirm            · · · · + · · · · | · ·
rights:record:create             · + · · + + · · · | + ·
rights:record:read               + + + + + + · + · | + ·
rights:record:use                · · · · · + · · · | + ·
rights:record:withdraw           · + · · + · · · · | + ·
"""
ROWS = dict(line.split(maxsplit=1) for line in LITERAL.strip().splitlines())


def test_every_permission_has_a_row() -> None:
    assert list(ROWS) == [permission.value for permission in Permission]


@pytest.mark.parametrize("permission", list(Permission))
def test_the_table_says_what_is_written_here(permission: Permission) -> None:
    in_brand, own = ROWS[permission.value].split("|")
    context = Context(brand_id=BRAND, asked_roles=BRAND_STAGE)
    expected = dict(zip(WHO, in_brand.split(), strict=True))
    answers = {name: "+" if may(actor, permission, context) else "·" for name, actor in WHO.items()}
    assert answers == expected
    mine = Context(brand_id=BRAND, owner_id=ME)
    owners = [WHO["marketer"], WHO["outsider"]]
    assert ["+" if may(actor, permission, mine) else "·" for actor in owners] == own.split()


@pytest.mark.parametrize("permission", list(Permission))
def test_a_role_reaches_no_other_brand(permission: Permission) -> None:
    context = Context(brand_id=OTHER_BRAND, asked_roles=BRAND_STAGE)
    everything = Actor(ME, roles={BRAND: frozenset(Role)})
    assert may(everything, permission, context) == may(WHO["outsider"], permission, context)


class TestFourEyes:
    @pytest.mark.parametrize(
        "permission",
        [permission for permission in Permission if permission.value.endswith(":approve")]
        + [
            Permission.ACCOUNTS_MEMBERSHIP_GRANT,
            Permission.QUOTA_ACCOUNT_GRANT,
            Permission.QUOTA_REQUEST_DECIDE,
            Permission.REFUSALS_APPEAL_DECIDE,
            Permission.REFUSALS_REFUSAL_OVERRIDE,
            Permission.REVIEW_CASE_DECIDE,
            Permission.REVIEW_CONDITION_CONFIRM,
            Permission.REVIEW_TURN_ASSIGN,
            Permission.RIGHTS_RECORD_CONFIRM,
        ],
    )
    def test_whoever_had_a_part_may_not(self, permission: Permission) -> None:
        everything = Actor(ME, roles={BRAND: frozenset(Role)}, is_platform_admin=True)
        others = Context(BRAND, frozenset({UUID(int=9)}), asked_roles=BRAND_STAGE)
        mine = Context(BRAND, frozenset({UUID(int=9), ME}), asked_roles=BRAND_STAGE)
        assert may(everything, permission, others)
        assert not may(everything, permission, mine)

    @pytest.mark.parametrize("who", WHO)
    def test_more_for_a_person_is_their_managers_or_an_admins_to_decide(self, who: str) -> None:
        somebodys = Context(BRAND, frozenset({UUID(int=9)}), owner_id=UUID(int=9))
        decides = may(WHO[who], Permission.QUOTA_REQUEST_DECIDE, somebodys)
        assert decides == (who in {"brand_manager", "platform_admin"})

    @pytest.mark.parametrize("role", list(Role))
    @pytest.mark.parametrize("stage", list(Role))
    def test_only_the_stages_role_decides(self, role: Role, stage: Role) -> None:
        actor = Actor(ME, roles={BRAND: frozenset({role})})
        context = Context(brand_id=BRAND, asked_roles=frozenset({stage}))
        decides = may(actor, Permission.REVIEW_CASE_DECIDE, context)
        assert decides == (role is stage and role is not Role.PLATFORM_ADMIN)

    def test_whoever_is_asked_by_name_decides_as_a_member_only(self) -> None:
        context = Context(brand_id=BRAND, asked_people=frozenset({ME}))
        for actor, decides in (
            (WHO["marketer"], True),
            (WHO["outsider"], False),
            (Actor(UUID(int=4), roles={BRAND: frozenset({Role.MARKETER})}), False),
        ):
            assert may(actor, Permission.REVIEW_CASE_DECIDE, context) == decides
            assert may(actor, Permission.REVIEW_CASE_READ, context) == decides

    def test_nobody_decides_where_no_stage_is_open(self) -> None:
        everything = Actor(ME, roles={BRAND: frozenset(Role)}, is_platform_admin=True)
        assert not may(everything, Permission.REVIEW_CASE_DECIDE, Context(brand_id=BRAND))

    @pytest.mark.parametrize(
        "permission",
        [p for p in Permission if p.value.startswith(("review:", "publishing:p", "publishing:r"))],
    )
    def test_no_clause_for_the_admin_stands_beside_the_gate(self, permission: Permission) -> None:
        assert not any(predicates.is_platform_admin in clause for clause in table.TABLE[permission])


class TestKeys:
    def test_a_key_grants_only_what_its_scopes_name(self) -> None:
        roles = {BRAND: frozenset(Role)}
        key = Actor(ME, ActorKind.INTEGRATION, roles, scopes=frozenset({"generation:job:create"}))
        context = Context(brand_id=BRAND)
        assert may(key, Permission.GENERATION_JOB_CREATE, context)
        assert not may(key, Permission.BRANDS_BRAND_READ, context)

    def test_a_scope_gives_nothing_that_the_person_lacks(self) -> None:
        key = Actor(ME, ActorKind.INTEGRATION, scopes=frozenset(p.value for p in Permission))
        context = Context(brand_id=BRAND, asked_roles=BRAND_STAGE)
        assert not any(may(key, permission, context) for permission in Permission)

    def test_an_integration_without_scopes_may_nothing(self) -> None:
        everything = {BRAND: frozenset(Role)}
        key = Actor(ME, ActorKind.INTEGRATION, everything, is_platform_admin=True)
        context = Context(brand_id=BRAND, owner_id=ME, asked_roles=BRAND_STAGE)
        assert not any(may(key, permission, context) for permission in Permission)

    def test_no_key_decides_or_approves(self) -> None:
        key = Actor(
            ME,
            ActorKind.INTEGRATION,
            {BRAND: frozenset(Role)},
            is_platform_admin=True,
            scopes=frozenset(p.value for p in Permission),
        )
        context = Context(brand_id=BRAND, asked_roles=BRAND_STAGE)
        for permission in Permission:
            acts = (":approve", ":confirm", ":decide", ":grant", ":override", ":withdraw", ":void")
            if permission.value.endswith(acts):
                assert not may(key, permission, context), permission

    def test_no_key_reads_a_draft(self) -> None:
        everything = {BRAND: frozenset(Role)}
        scopes = frozenset(p.value for p in Permission)
        key = Actor(ME, ActorKind.INTEGRATION, everything, is_platform_admin=True, scopes=scopes)
        context = Context(brand_id=BRAND, owner_id=ME)
        assert not may(key, Permission.GENERATION_ASSET_READ, context)
        assert may(key, Permission.PUBLISHING_RELEASE_READ, context)

    def test_a_key_can_have_these_scopes_and_no_other(self) -> None:
        assert [p.value for p in Permission if table.is_for_keys(p)] == [
            "accounts:user:read",
            "brands:brand:read",
            "generation:job:cancel",
            "generation:job:create",
            "generation:job:read",
            "ledger:entry:read",
            "licences:licence:read",
            "prompts:template:read",
            "publishing:destination:read",
            "publishing:finding:read",
            "publishing:publication:create",
            "publishing:publication:read",
            "publishing:release:read",
            "quota:account:read",
            "quota:request:read",
            "refusals:appeal:read",
            "refusals:refusal:read",
            "registry:adapter:read",
            "registry:profile:read",
            "review:case:read",
            "rights:record:use",
        ]


class TestAnswers:
    def test_says_why(self) -> None:
        clause = granting_clause(
            WHO["auditor"], Permission.REVIEW_CASE_READ, Context(brand_id=BRAND)
        )
        assert clause == (predicates.is_auditor,)

    def test_refuses_with_the_permissions_name(self) -> None:
        with pytest.raises(NotPermitted) as refusal:
            require(WHO["outsider"], Permission.BRANDS_BRAND_READ, Context(brand_id=BRAND))
        assert refusal.value.facts == {"permission": "brands:brand:read"}

    def test_an_error_in_a_predicate_is_not_swallowed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(actor: Actor, context: Context) -> bool:
            raise ZeroDivisionError

        rows = {**table.TABLE, Permission.BRANDS_BRAND_READ: ((broken,),)}
        monkeypatch.setattr(permits, "TABLE", rows)
        with pytest.raises(ZeroDivisionError):
            may(WHO["auditor"], Permission.BRANDS_BRAND_READ, Context(brand_id=BRAND))

    def test_reads_aloud_one_line_for_each_permission(self) -> None:
        lines = table.read_aloud().splitlines()
        assert len(lines) == len(Permission)
        said = "is person and is member and is asked and is not contributor"
        assert f"review:case:decide: {said}" in lines


class TestGaps:
    def test_there_are_none(self) -> None:
        assert table.gaps() == []

    @pytest.mark.parametrize("row", [(), ((),), ((predicates.is_person,), ())])
    def test_finds_an_empty_row_or_clause(
        self, monkeypatch: pytest.MonkeyPatch, row: tuple[table.Clause, ...]
    ) -> None:
        rows = {**table.TABLE, Permission.BRANDS_BRAND_READ: row}
        monkeypatch.setattr(table, "TABLE", rows)
        assert table.gaps() == ["brands:brand:read"]

    def test_finds_a_missing_row(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = {p: row for p, row in table.TABLE.items() if p is not Permission.REVIEW_CASE_READ}
        monkeypatch.setattr(table, "TABLE", rows)
        assert table.gaps() == ["review:case:read"]

    def test_the_names_are_alphabetical(self) -> None:
        names = [permission.name for permission in Permission]
        assert names == sorted(names)


actors = st.builds(
    Actor,
    id=st.just(ME),
    kind=st.sampled_from(list(ActorKind)),
    roles=st.dictionaries(
        st.sampled_from([BRAND, OTHER_BRAND]), st.frozensets(st.sampled_from(list(Role)))
    ),
    is_platform_admin=st.booleans(),
    scopes=st.none() | st.frozensets(st.sampled_from([p.value for p in Permission])),
)


@given(
    actor=actors,
    permission=st.sampled_from(list(Permission)),
    brand_id=st.sampled_from([BRAND, OTHER_BRAND, UUID(int=7)]),
)
def test_may_and_which_rows_agree(actor: Actor, permission: Permission, brand_id: UUID) -> None:
    listed = permits.may_everywhere(actor, permission) or (
        brand_id in permits.brands_where(actor, permission)
    )
    assert listed == may(actor, permission, Context(brand_id=brand_id))


@given(
    actor=actors,
    permission=st.sampled_from(list(Permission)),
    brand_id=st.sampled_from([BRAND, OTHER_BRAND, UUID(int=7)]),
)
def test_may_and_which_own_rows_agree(actor: Actor, permission: Permission, brand_id: UUID) -> None:
    anywhere = may(actor, permission, Context(owner_id=actor.id))
    listed = anywhere or brand_id in permits.brands_where_own(actor, permission)
    assert listed == may(actor, permission, Context(brand_id=brand_id, owner_id=actor.id))
