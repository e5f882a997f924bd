"""What can go wrong with a brand's rules and policies."""

from governance.kernel.errors import DomainError


class NoRules(DomainError):
    """The brand has no approved rules; without rules nothing can be screened, so nothing passes."""

    code = "no_rules"
    status = 409


class NoScoringPolicy(DomainError):
    """The brand has no approved scoring policy; without one no image can be judged."""

    code = "no_scoring_policy"
    status = 409


class BrandExists(DomainError):
    """Another brand has this slug."""

    code = "brand_exists"
    status = 409


class AlreadyApproved(DomainError):
    """The version was approved before, or a later one already counts."""

    code = "already_approved"
    status = 409
