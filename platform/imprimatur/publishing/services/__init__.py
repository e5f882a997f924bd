"""Commands of publishing: destinations, releases, publications, their delivery and its sweeper."""

from imprimatur.publishing.services._deliver import deliver
from imprimatur.publishing.services._destinations import (
    approve_destination,
    propose_destination,
    retire_destination,
)
from imprimatur.publishing.services._release import release_case
from imprimatur.publishing.services._request import (
    request_publication,
    request_publication_of_asset,
)
from imprimatur.publishing.services._sweep import sweep

__all__ = [
    "approve_destination",
    "deliver",
    "propose_destination",
    "release_case",
    "request_publication",
    "request_publication_of_asset",
    "retire_destination",
    "sweep",
]
