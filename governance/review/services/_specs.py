"""Checks what a review policy is proposed with; each rule has its own name and its own place."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import UUID

from django.utils.translation import gettext as _

from governance.kernel.errors import InvalidInput
from governance.review import calendars
from governance.review.models import REVIEWED_KINDS, STAGE_ROLES
from governance.review.records import ItemSpec, StageSpec

Spec = TypeVar("Spec", StageSpec, ItemSpec)

MAX_NAME_LENGTH = 100
MAX_STAGES = 9
MAX_QUORUM = 9
MAX_PEOPLE = 50
MAX_ITEMS = 40
MAX_QUESTION_LENGTH = 300
MAX_GUIDANCE_LENGTH = 1000
MAX_KEY_LENGTH = 40
# Thirty days of minutes, in business time.
MAX_DUE_MIN = 43_200
MAX_VIEW_S = 3600
KEY = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class PolicyContent:
    """What a policy says, checked: stages with keys and positions, questions with keys."""

    subject_kind: str
    name: str
    stages: tuple[StageSpec, ...]
    checklist: tuple[ItemSpec, ...]
    calendar: Mapping[str, Any]
    min_view_s: int


def content_of(
    *,
    subject_kind: str,
    name: str,
    stages: Sequence[StageSpec],
    checklist: Sequence[ItemSpec] = (),
    calendar: Mapping[str, Any] | None = None,
    min_view_s: int = 0,
) -> PolicyContent:
    """Check what a policy is proposed with. Raises: InvalidInput."""
    _require(
        subject_kind in REVIEWED_KINDS,
        _("“%(kind)s” cannot be reviewed.") % {"kind": subject_kind},
        "/subject_kind",
        "enum",
    )
    check_name(name)
    _require(
        0 <= min_view_s <= MAX_VIEW_S,
        _("Between 0 and %(max)s seconds of looking can be asked for.") % {"max": MAX_VIEW_S},
        "/min_view_s",
        "range",
    )
    calendars.check(calendar or {})
    placed = _stages_of(stages)
    return PolicyContent(
        subject_kind=subject_kind,
        name=name,
        stages=placed,
        checklist=_items_of(checklist, placed),
        calendar=dict(calendar or {}),
        min_view_s=min_view_s,
    )


def check_name(name: str, pointer: str = "/name") -> None:
    """Let a name pass, or raise InvalidInput."""
    _require(
        bool(name.strip()) and len(name) <= MAX_NAME_LENGTH,
        _("A name has between 1 and %(max)s characters.") % {"max": MAX_NAME_LENGTH},
        pointer,
        "length",
    )


def check_members(
    stages: Sequence[StageSpec],
    groups: Mapping[UUID, frozenset[UUID]],
    members: frozenset[UUID] | None,
) -> None:
    """Check the named people and groups; `members` is everybody in the brand, None: unknown.

    `groups` holds who is in each group that the brand has. Raises: InvalidInput.
    """
    for place, stage in enumerate(stages):
        where = f"/stages/{place}"
        for index, person in enumerate(stage.people):
            _require(
                members is None or person in members,
                _("Only members of the brand can be named."),
                f"{where}/people/{index}",
                "not_member",
            )
        if stage.group_id is not None:
            _check_group(stage, where, groups.get(stage.group_id))


def _stages_of(stages: Sequence[StageSpec]) -> tuple[StageSpec, ...]:
    """Return the stages with their keys and positions. Raises: InvalidInput."""
    _require(
        1 <= len(stages) <= MAX_STAGES,
        _("A review policy has between 1 and %(max)s stages.") % {"max": MAX_STAGES},
        "/stages",
        "length",
    )
    keyed = _with_keys(stages, "/stages", lambda stage: stage.name)
    placed = _with_positions(keyed)
    for place, stage in enumerate(placed):
        _check_stage(stage, f"/stages/{place}")
    _check_escalations(placed)
    return placed


def _items_of(items: Sequence[ItemSpec], stages: Sequence[StageSpec]) -> tuple[ItemSpec, ...]:
    """Return the checklist with its keys; `stages` have theirs. Raises: InvalidInput."""
    _require(
        len(items) <= MAX_ITEMS,
        _("A checklist has at most %(max)s questions.") % {"max": MAX_ITEMS},
        "/checklist",
        "length",
    )
    for place, item in enumerate(items):
        _check_item(item, f"/checklist/{place}", {stage.key for stage in stages})
    return _with_keys(items, "/checklist", lambda item: item.question)


def _check_group(stage: StageSpec, where: str, people: frozenset[UUID] | None) -> None:
    pointer = f"{where}/group_id"
    _require(people is not None, _("The brand has no group of this id."), pointer, "group_unknown")
    _require(bool(people), _("Nobody is in this group."), pointer, "group_empty")
    _require(
        people is None or stage.quorum <= len(people),
        _("More people are asked for than the group has."),
        f"{where}/quorum",
        "quorum_above_people",
    )


def _check_stage(stage: StageSpec, where: str) -> None:
    check_name(stage.name, f"{where}/name")
    _require(
        1 <= stage.quorum <= MAX_QUORUM,
        _("A stage needs between 1 and %(max)s people.") % {"max": MAX_QUORUM},
        f"{where}/quorum",
        "range",
    )
    _require(
        [stage.role is not None, bool(stage.people), stage.group_id is not None].count(True) == 1,
        _("A stage asks for a role, for named people, or for a group: exactly one of them."),
        where,
        "one_of",
    )
    _require(
        stage.role is None or stage.role in STAGE_ROLES,
        _("A stage can ask for one of these roles: %(roles)s.") % {"roles": ", ".join(STAGE_ROLES)},
        f"{where}/role",
        "enum",
    )
    _check_people(stage, where)
    _check_times(stage, where)


def _check_people(stage: StageSpec, where: str) -> None:
    _require(
        len(stage.people) <= MAX_PEOPLE,
        _("At most %(max)s people can be named; use a group.") % {"max": MAX_PEOPLE},
        f"{where}/people",
        "length",
    )
    _require(
        len(set(stage.people)) == len(stage.people),
        _("A person is named once in a stage."),
        f"{where}/people",
        "unique",
    )
    _require(
        not stage.people or stage.quorum <= len(stage.people),
        _("More people are asked for than are named."),
        f"{where}/quorum",
        "quorum_above_people",
    )


def _check_times(stage: StageSpec, where: str) -> None:
    _require(
        stage.due_min is None or 1 <= stage.due_min <= MAX_DUE_MIN,
        _("A stage is due after 1 to %(max)s business minutes.") % {"max": MAX_DUE_MIN},
        f"{where}/due_min",
        "range",
    )
    _require(
        stage.remind_min is None
        or (stage.due_min is not None and 1 <= stage.remind_min < stage.due_min),
        _("A reminder comes before the stage is due."),
        f"{where}/remind_min",
        "remind_before_due",
    )
    _require(
        not stage.escalate_to or stage.due_min is not None,
        _("A stage escalates when it is overdue, so it needs a due time."),
        f"{where}/due_min",
        "escalation_needs_due",
    )


def _check_escalations(stages: Sequence[StageSpec]) -> None:
    leads_to = {stage.key: stage.escalate_to for stage in stages}
    for place, stage in enumerate(stages):
        pointer = f"/stages/{place}/escalate_to"
        _require(
            not stage.escalate_to or stage.escalate_to in leads_to,
            _("There is no stage of this key to escalate to."),
            pointer,
            "escalation_unknown",
        )
        passed, key = {stage.key}, stage.escalate_to
        while key:
            _require(
                key not in passed,
                _("The escalation comes back to a stage that was asked already."),
                pointer,
                "escalation_cycle",
            )
            passed.add(key)
            key = leads_to.get(key, "")


def _check_item(item: ItemSpec, where: str, stage_keys: set[str]) -> None:
    _require(
        bool(item.question.strip()) and len(item.question) <= MAX_QUESTION_LENGTH,
        _("A question has between 1 and %(max)s characters.") % {"max": MAX_QUESTION_LENGTH},
        f"{where}/question",
        "length",
    )
    _require(
        len(item.guidance) <= MAX_GUIDANCE_LENGTH,
        _("Guidance has at most %(max)s characters.") % {"max": MAX_GUIDANCE_LENGTH},
        f"{where}/guidance",
        "length",
    )
    _require(
        not item.stage_key or item.stage_key in stage_keys,
        _("There is no stage of this key."),
        f"{where}/stage_key",
        "stage_unknown",
    )


def _with_positions(stages: Sequence[StageSpec]) -> tuple[StageSpec, ...]:
    """Put each stage in its place: it stands beside the one before it, or directly after it."""
    placed: list[StageSpec] = []
    last = 0
    for place, stage in enumerate(stages):
        position = last + 1 if stage.position is None else stage.position
        _require(
            position in {last, last + 1} and position >= 1,
            _("Positions count 1, 2, 3 in the order of the stages, without a gap."),
            f"/stages/{place}/position",
            "position_gap",
        )
        placed.append(replace(stage, position=position))
        last = position
    return tuple(placed)


def _with_keys(specs: Sequence[Spec], where: str, named: Callable[[Spec], str]) -> tuple[Spec, ...]:
    """Give each spec a key of its own; one that is given must be well-formed and unique."""
    given = [spec.key for spec in specs if spec.key]
    taken = set(given)
    keyed: list[Spec] = []
    for place, spec in enumerate(specs):
        pointer = f"{where}/{place}/key"
        _require(given.count(spec.key) <= 1, _("A key stands for one thing."), pointer, "unique")
        _require(
            not spec.key
            or (len(spec.key) <= MAX_KEY_LENGTH and KEY.fullmatch(spec.key) is not None),
            _("A key has lower-case letters, digits and single hyphens, at most 40."),
            pointer,
            "pattern",
        )
        key = spec.key or _fresh_key(named(spec), taken)
        taken.add(key)
        keyed.append(replace(spec, key=key))
    return tuple(keyed)


def _fresh_key(name: str, taken: set[str]) -> str:
    """Make a key of a name that is not taken yet."""
    words = "-".join(re.findall(r"[a-z0-9]+", name.lower(), re.ASCII)) or "key"
    short = words[: MAX_KEY_LENGTH - 3].rstrip("-")
    key, count = short, 1
    while key in taken:
        count += 1
        key = f"{short}-{count}"
    return key


def _require(holds: bool, detail: str, pointer: str, rule: str) -> None:
    if not holds:
        raise InvalidInput(detail, pointer=pointer, rule=rule)
