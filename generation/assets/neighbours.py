"""Images of one brand that may look like another, at a cost that does not grow with their number.

Two ways lead to a candidate. By hash: 64 bits are four words; if two hashes differ in at most seven
bits, one of the words differs in at most one, so the words of a hash and all words one bit away
find every such image, and each word looks at its newest few only. By embedding: the newest images.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import UUIDField

from generation.assets.models import ImageFeatures
from generation.assets.records import PHASH_BITS, Features, NeighbourRecord

WORDS = 4
WORD_BITS = PHASH_BITS // WORDS
# The newest images that one word leads to; 4 words with 17 spellings each read at most 1,088 rows.
PER_WORD = 16
# The newest images whose embeddings are compared.
RECENT = 1000
DEFAULT_LIMIT = 16


def find_neighbours(
    *, brand_id: UUID, features: Features, limit: int = DEFAULT_LIMIT
) -> tuple[NeighbourRecord, ...]:
    """Return the images of the brand that come nearest: up to `limit` by hash and by embedding.

    An image of the same fingerprint is the same recipe made again on purpose, and is left out.
    Where several images are equally near, the newest come first. The caller is the worker, who
    may see the brand that it renders for.
    """
    near = _ids_by_hash(brand_id, features, limit)
    near += [pk for pk in _ids_by_embedding(brand_id, features, limit) if pk not in set(near)]
    rows = {
        row.pk: row
        for row in ImageFeatures.objects.filter(pk__in=near, brand_id=brand_id).only(
            "asset_id", "phash_0", "phash_1", "phash_2", "phash_3", "encoder_sha256", "embedding"
        )
    }
    return tuple(_record_of(rows[pk], features.encoder_sha256) for pk in near)


def words_of(phash: int) -> tuple[int, ...]:
    """Split a hash into words, lowest first.

    >>> [hex(word) for word in words_of(0x0123456789ABCDEF)]
    ['0xcdef', '0x89ab', '0x4567', '0x123']
    """
    return tuple(phash >> (WORD_BITS * place) & 0xFFFF for place in range(WORDS))


def _ids_by_hash(brand_id: UUID, features: Features, limit: int) -> list[UUID]:
    """Return ids of rows by hash, the fewest differing bits first."""
    brand = UUIDField().get_db_prep_value(brand_id, connection)
    one = (
        "SELECT * FROM (SELECT id, phash_0, phash_1, phash_2, phash_3 FROM assets_imagefeatures "
        "WHERE brand_id = %s AND phash_{place} = %s AND fingerprint <> %s "
        "ORDER BY id DESC LIMIT {most}) AS w{place}_{number}"
    )
    parts: list[str] = []
    values: list[Any] = []
    for place, word in enumerate(words_of(features.phash)):
        spellings = (word, *(word ^ (1 << bit) for bit in range(WORD_BITS)))
        for number, spelling in enumerate(spellings):
            parts.append(one.format(place=place, number=number, most=PER_WORD))
            values += [brand, spelling, features.fingerprint]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ".join(parts), values)
        rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
    found = [(_bits_apart(words, words_of(features.phash)), UUID(str(pk))) for pk, *words in rows]
    found.sort(key=lambda pair: (pair[0], -pair[1].int))
    return [pk for _, pk in found[:limit]]


def _ids_by_embedding(brand_id: UUID, features: Features, limit: int) -> list[UUID]:
    """Return ids of the newest rows whose embeddings point the same way, the nearest first."""
    if features.embedding is None:
        return []
    # Only the worker asks, and web is installed without it.
    import numpy as np

    rows = list(
        ImageFeatures.objects.filter(brand_id=brand_id, encoder_sha256=features.encoder_sha256)
        .exclude(fingerprint=features.fingerprint)
        .order_by("-id")
        .values_list("id", "embedding")[:RECENT]
    )
    length = len(features.embedding)
    kept = [(pk, bytes(data)) for pk, data in rows if data is not None and len(data) == length]
    if not kept:
        return []
    matrix = np.frombuffer(b"".join(data for _, data in kept), dtype="<f4")
    cosines = matrix.reshape(len(kept), -1) @ np.frombuffer(features.embedding, dtype="<f4")
    nearest = np.argsort(-cosines, kind="stable")[:limit]
    return [kept[index][0] for index in nearest]


def _bits_apart(one: Sequence[int], other: Sequence[int]) -> int:
    return sum((a ^ b).bit_count() for a, b in zip(one, other, strict=True))


def _record_of(row: ImageFeatures, encoder_sha256: str) -> NeighbourRecord:
    words = (row.phash_0, row.phash_1, row.phash_2, row.phash_3)
    is_comparable = row.embedding is not None and row.encoder_sha256 == encoder_sha256
    return NeighbourRecord(
        asset_id=row.asset_id,
        phash=sum(word << (WORD_BITS * place) for place, word in enumerate(words)),
        embedding=bytes(row.embedding) if is_comparable and row.embedding is not None else None,
    )
