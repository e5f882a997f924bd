"""Who may do what, as one page to read aloud: any clause grants, and all its predicates must hold.

The default is no. The platform admin has no way around review: no admin clause stands beside a
decision, a release or a publication.
"""

from types import MappingProxyType

from governance.policy.permissions import Permission as P  # noqa: N817  read aloud, row by row
from governance.policy.predicates import (
    Predicate,
    is_asked,
    is_auditor,
    is_brand_manager,
    is_compliance_reviewer,
    is_data_steward,
    is_marketer,
    is_member,
    is_not_contributor,
    is_owner,
    is_person,
    is_platform_admin,
    is_reviewer,
    is_somebodys,
    is_system,
)

Clause = tuple[Predicate, ...]

TABLE: MappingProxyType[P, tuple[Clause, ...]] = MappingProxyType(
    {
        P.ACCOUNTS_KEY_CREATE: ((is_person, is_owner),),
        P.ACCOUNTS_KEY_REVOKE: ((is_person, is_owner), (is_person, is_platform_admin)),
        P.ACCOUNTS_MEMBERSHIP_GRANT: ((is_person, is_platform_admin, is_not_contributor),),
        P.ACCOUNTS_MEMBERSHIP_REVOKE: ((is_person, is_platform_admin, is_not_contributor),),
        P.ACCOUNTS_PASSWORD_CHANGE: ((is_person, is_owner),),
        P.ACCOUNTS_PLATFORM_BOOTSTRAP: ((is_system,),),
        P.ACCOUNTS_USER_CREATE: ((is_person, is_platform_admin),),
        P.ACCOUNTS_USER_DISABLE: ((is_person, is_platform_admin, is_not_contributor),),
        P.ACCOUNTS_USER_ENABLE: ((is_person, is_platform_admin, is_not_contributor),),
        P.ACCOUNTS_USER_READ: ((is_owner,), (is_platform_admin,)),
        P.BRANDS_BRAND_CREATE: ((is_person, is_platform_admin),),
        P.BRANDS_BRAND_READ: ((is_member,), (is_platform_admin,), (is_system,)),
        P.BRANDS_DATA_CLASS_SET: ((is_person, is_data_steward),),
        P.BRANDS_MARKET_SET: ((is_person, is_platform_admin),),
        P.BRANDS_RULES_PROPOSE: ((is_person, is_brand_manager),),
        # A draft is for people's eyes: a key reads what was released.
        P.GENERATION_ASSET_READ: ((is_person, is_member), (is_system,)),
        P.GENERATION_ITEM_RUN: ((is_system,),),
        P.GENERATION_JOB_CANCEL: ((is_owner, is_member), (is_person, is_brand_manager)),
        P.GENERATION_JOB_CREATE: ((is_marketer,),),
        P.GENERATION_JOB_READ: ((is_owner, is_member), (is_reviewer,), (is_auditor,), (is_system,)),
        # What people bring in shows people, and its rights are a person's word: no key.
        P.GENERATION_PICTURE_READ: ((is_person, is_member), (is_system,)),
        P.GENERATION_PICTURE_TAKE_IN: (
            (is_person, is_marketer),
            (is_person, is_brand_manager),
            (is_person, is_data_steward),
        ),
        # Whoever judges or audits may have an image made again; whoever sees it, read the outcome.
        P.GENERATION_REPLAY_CREATE: (
            (is_person, is_auditor),
            (is_person, is_reviewer),
            (is_person, is_platform_admin, is_member),
        ),
        P.GENERATION_REPLAY_READ: ((is_person, is_member), (is_system,)),
        P.LEDGER_ENTRY_READ: ((is_auditor,), (is_platform_admin,), (is_system,)),
        P.LEDGER_HOLD_LIFT: ((is_person, is_data_steward, is_not_contributor),),
        P.LEDGER_HOLD_PLACE: ((is_person, is_data_steward),),
        P.LEDGER_HOLD_READ: ((is_person, is_data_steward), (is_person, is_auditor)),
        P.LEDGER_LOG_SEQUENCE: ((is_system,),),
        P.LEDGER_PERSON_ERASE: ((is_person, is_data_steward),),
        P.LICENCES_LICENCE_APPROVE: ((is_person, is_platform_admin, is_not_contributor),),
        P.LICENCES_LICENCE_PROPOSE: ((is_person, is_platform_admin),),
        P.LICENCES_LICENCE_READ: ((is_member,), (is_platform_admin,), (is_system,)),
        P.LICENCES_LICENCE_RETIRE: ((is_person, is_platform_admin),),
        P.NOTICES_NOTICE_READ: ((is_person, is_owner),),
        P.PROMPTS_TEMPLATE_DRAFT: ((is_person, is_brand_manager),),
        P.PROMPTS_TEMPLATE_READ: ((is_member,), (is_system,)),
        P.PROMPTS_TEMPLATE_RELEASE: ((is_person, is_brand_manager),),
        P.PROMPTS_TEMPLATE_RETIRE: ((is_person, is_brand_manager),),
        P.PROMPTS_TEMPLATE_SUBMIT: ((is_person, is_brand_manager),),
        P.PUBLISHING_DESTINATION_APPROVE: ((is_person, is_platform_admin, is_not_contributor),),
        P.PUBLISHING_DESTINATION_PROPOSE: ((is_person, is_platform_admin),),
        P.PUBLISHING_DESTINATION_READ: ((is_member,), (is_platform_admin,), (is_system,)),
        P.PUBLISHING_DESTINATION_RECONCILE: ((is_system,),),
        P.PUBLISHING_FINDING_CLOSE: ((is_person, is_brand_manager), (is_person, is_platform_admin)),
        P.PUBLISHING_FINDING_READ: ((is_auditor,), (is_brand_manager,), (is_platform_admin,)),
        P.PUBLISHING_PUBLICATION_CREATE: ((is_marketer,), (is_brand_manager,)),
        P.PUBLISHING_PUBLICATION_DELIVER: ((is_system,),),
        P.PUBLISHING_PUBLICATION_READ: ((is_member,), (is_system,)),
        P.PUBLISHING_PUBLICATION_UNPUBLISH: ((is_system,),),
        P.PUBLISHING_RECALL_RETRY: (
            (is_person, is_compliance_reviewer),
            (is_person, is_brand_manager),
        ),
        P.PUBLISHING_RELEASE_CREATE: ((is_system,),),
        P.PUBLISHING_RELEASE_READ: ((is_member,), (is_system,)),
        P.PUBLISHING_RELEASE_WITHDRAW: (
            (is_person, is_compliance_reviewer),
            (is_person, is_brand_manager),
        ),
        P.QUOTA_ACCOUNT_GRANT: ((is_person, is_platform_admin, is_not_contributor),),
        P.QUOTA_ACCOUNT_READ: (
            (is_owner,),
            (is_brand_manager,),
            (is_auditor,),
            (is_platform_admin,),
            (is_system,),
        ),
        P.QUOTA_REQUEST_CREATE: (
            (is_person, is_marketer, is_owner),
            (is_person, is_brand_manager),
        ),
        # A person's account lies within the brand's: its manager may share that out.
        P.QUOTA_REQUEST_DECIDE: (
            (is_person, is_platform_admin, is_not_contributor),
            (is_person, is_brand_manager, is_somebodys, is_not_contributor),
        ),
        P.QUOTA_REQUEST_READ: (
            (is_owner, is_member),
            (is_brand_manager,),
            (is_auditor,),
            (is_platform_admin,),
        ),
        P.QUOTA_REQUEST_WITHDRAW: ((is_person, is_owner),),
        # What a rule or a person refused, a compliance reviewer who had no part in it may lift.
        P.REFUSALS_APPEAL_DECIDE: ((is_person, is_compliance_reviewer, is_not_contributor),),
        P.REFUSALS_APPEAL_OPEN: ((is_person, is_owner, is_member),),
        P.REFUSALS_APPEAL_READ: (
            (is_owner, is_member),
            (is_compliance_reviewer,),
            (is_auditor,),
            (is_system,),
        ),
        P.REFUSALS_REFUSAL_OVERRIDE: ((is_person, is_compliance_reviewer, is_not_contributor),),
        P.REFUSALS_REFUSAL_READ: (
            (is_owner, is_member),
            (is_reviewer,),
            (is_auditor,),
            (is_system,),
        ),
        P.REGISTRY_ADAPTER_APPROVE: ((is_person, is_platform_admin, is_not_contributor),),
        P.REGISTRY_ADAPTER_PROPOSE: ((is_person, is_platform_admin),),
        P.REGISTRY_ADAPTER_READ: ((is_member,), (is_platform_admin,), (is_system,)),
        P.REGISTRY_ENDPOINT_APPROVE: ((is_person, is_platform_admin, is_not_contributor),),
        P.REGISTRY_ENDPOINT_PROPOSE: ((is_person, is_platform_admin),),
        P.REGISTRY_PROFILE_APPROVE: ((is_person, is_platform_admin, is_not_contributor),),
        P.REGISTRY_PROFILE_PROPOSE: ((is_person, is_platform_admin),),
        P.REGISTRY_PROFILE_READ: ((is_member,), (is_platform_admin,), (is_system,)),
        P.REGISTRY_SCORER_APPROVE: ((is_person, is_platform_admin, is_not_contributor),),
        P.REGISTRY_SCORER_PROPOSE: ((is_person, is_platform_admin),),
        # The short way in an emergency: two of these, then a third who had no part in any of it.
        P.REVIEW_BREAK_GLASS_CONFIRM: (
            (is_person, is_compliance_reviewer, is_not_contributor),
            (is_person, is_brand_manager, is_not_contributor),
        ),
        P.REVIEW_BREAK_GLASS_JUDGE: ((is_person, is_compliance_reviewer, is_not_contributor),),
        P.REVIEW_BREAK_GLASS_OPEN: (
            (is_person, is_compliance_reviewer, is_not_contributor),
            (is_person, is_brand_manager, is_not_contributor),
        ),
        P.REVIEW_BREAK_GLASS_READ: (
            (is_person, is_owner, is_member),
            (is_person, is_reviewer),
            (is_person, is_auditor),
            (is_system,),
        ),
        P.REVIEW_BREAK_GLASS_STOP: ((is_person, is_reviewer),),
        # Only the two themselves, and only while each still holds such a role.
        P.REVIEW_BREAK_GLASS_USE: (
            (is_person, is_compliance_reviewer, is_asked, is_not_contributor),
            (is_person, is_brand_manager, is_asked, is_not_contributor),
        ),
        P.REVIEW_CASE_DECIDE: ((is_person, is_member, is_asked, is_not_contributor),),
        P.REVIEW_CASE_OPEN: ((is_system,), (is_person, is_brand_manager)),
        P.REVIEW_CASE_READ: (
            (is_owner, is_member),
            (is_person, is_member, is_asked),
            (is_reviewer,),
            (is_auditor,),
            (is_system,),
        ),
        P.REVIEW_CASE_VOID: (
            (is_system,),
            (is_person, is_brand_manager),
            (is_person, is_compliance_reviewer),
        ),
        P.REVIEW_CONDITION_CONFIRM: ((is_person, is_reviewer, is_not_contributor),),
        # A backtest is computed, not written: whoever has it made has no part in the policy.
        P.REVIEW_EXHIBIT_FILE: ((is_person, is_reviewer),),
        P.REVIEW_GROUP_CHANGE: ((is_person, is_brand_manager, is_not_contributor),),
        P.REVIEW_POLICY_PROPOSE: ((is_person, is_brand_manager),),
        # Saying something about an image is no part in it: whoever annotates may decide.
        P.REVIEW_THREAD_WRITE: (
            (is_person, is_owner, is_member),
            (is_person, is_member, is_asked),
            (is_person, is_reviewer),
        ),
        # Whoever had a part in the subject does not choose its judge either.
        P.REVIEW_TURN_ASSIGN: (
            (is_person, is_brand_manager, is_not_contributor),
            (is_person, is_compliance_reviewer, is_not_contributor),
        ),
        P.RIGHTS_RECORD_CONFIRM: ((is_person, is_data_steward, is_not_contributor),),
        P.RIGHTS_RECORD_CREATE: (
            (is_person, is_marketer),
            (is_person, is_brand_manager),
            (is_person, is_data_steward),
        ),
        P.RIGHTS_RECORD_READ: ((is_person, is_member), (is_system,)),
        # Whoever orders; a key may order with a picture that a person brought.
        P.RIGHTS_RECORD_USE: ((is_marketer,),),
        P.RIGHTS_RECORD_WITHDRAW: (
            (is_person, is_owner, is_member),
            (is_person, is_brand_manager),
            (is_person, is_data_steward),
        ),
    }
)


def read_aloud() -> str:
    """Print the table in words, one permission to a line, for an auditor."""
    return "\n".join(
        f"{permission}: "
        + "; or ".join(
            " and ".join(predicate.__name__.replace("_", " ") for predicate in clause)
            for clause in TABLE[permission]
        )
        for permission in P
    )


def is_for_keys(permission: P) -> bool:
    """Tell whether a key can ever use the permission: a clause asks for no person and no system."""
    return any(is_person not in clause and is_system not in clause for clause in TABLE[permission])


def gaps() -> list[str]:
    """Return what would leave a hole: a permission without a row, or an empty row or clause."""
    return [
        str(permission)
        for permission in P
        if not TABLE.get(permission) or not all(TABLE[permission])
    ]
