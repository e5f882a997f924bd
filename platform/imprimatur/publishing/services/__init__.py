"""Commands of publishing: destinations, releases, publications, deliveries, recalls, findings."""

from imprimatur.publishing.services._deliver import deliver
from imprimatur.publishing.services._destinations import (
    approve_destination,
    propose_destination,
    retire_destination,
)
from imprimatur.publishing.services._recall import retry_recall, unpublish, withdraw
from imprimatur.publishing.services._reconcile import close_finding, hint_reconcile, reconcile
from imprimatur.publishing.services._release import release_case
from imprimatur.publishing.services._request import (
    request_publication,
    request_publication_of_asset,
)
from imprimatur.publishing.services._sweep import sweep

__all__ = [
    "approve_destination",
    "close_finding",
    "deliver",
    "hint_reconcile",
    "propose_destination",
    "reconcile",
    "release_case",
    "request_publication",
    "request_publication_of_asset",
    "retire_destination",
    "retry_recall",
    "sweep",
    "unpublish",
    "withdraw",
]
