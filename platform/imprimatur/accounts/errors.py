"""What can go wrong with people, roles and keys; each error says what the user can do about it."""

from governance.kernel.errors import DomainError


class AlreadyBootstrapped(DomainError):
    """There are people already; the first two are named once."""

    code = "already_bootstrapped"
    status = 409


class AlreadyGranted(DomainError):
    """The person holds the role."""

    code = "already_granted"
    status = 409


class NotSignedIn(DomainError):
    """Nobody is signed in, so there is nobody to act as."""

    code = "not_signed_in"
    status = 401


class SignInRefused(DomainError):
    """The name and the password do not belong to anybody who may sign in."""

    code = "sign_in_refused"
    status = 401


class TooManyAttempts(DomainError):
    """Sign-in was tried too often; `retry_after_s` in the facts says when to try again."""

    code = "too_many_attempts"
    status = 429


class UsernameTaken(DomainError):
    """Somebody else has the user name."""

    code = "username_taken"
    status = 409


class WrongPassword(DomainError):
    """The password that was given as the present one is not."""

    code = "wrong_password"
    status = 403
