"""What can go wrong with rights; nothing has been written when one of these is raised."""

from governance.kernel.errors import DomainError


class RightsLacking(DomainError):
    """No rights on record carry the use of this picture now; `category` says what is lacking."""

    code = "rights_lacking"


class HadAPart(DomainError):
    """Whoever brought a picture, or stated its rights, does not confirm them: another does."""

    code = "had_a_part_in_rights"
    status = 403


class ReasonRequired(DomainError):
    """Rights are withdrawn with a reason, which everybody in the brand reads."""

    code = "rights_reason_required"
    status = 400
