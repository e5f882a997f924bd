"""The roles a person can hold, each in a brand; the platform admin's alone holds everywhere."""

from enum import StrEnum


class Role(StrEnum):
    """What a person may be to a brand; one person may be several."""

    AUDITOR = "auditor"
    BRAND_MANAGER = "brand_manager"
    BRAND_REVIEWER = "brand_reviewer"
    COMPLIANCE_REVIEWER = "compliance_reviewer"
    DATA_STEWARD = "data_steward"
    MARKETER = "marketer"
    PLATFORM_ADMIN = "platform_admin"
