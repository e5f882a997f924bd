"""The quota's commands: grants, an item's three movements, requests for more, the check."""

from governance.quota.services._books import BookMarks, check_books
from governance.quota.services._grant import LARGEST_GRANT, grant
from governance.quota.services._items import refund, reserve, settle
from governance.quota.services._requests import (
    ask_for_more,
    decline_request,
    grant_request,
    withdraw_request,
)

__all__ = [
    "LARGEST_GRANT",
    "BookMarks",
    "ask_for_more",
    "check_books",
    "decline_request",
    "grant",
    "grant_request",
    "refund",
    "reserve",
    "settle",
    "withdraw_request",
]
