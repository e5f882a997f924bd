"""What the brokers need beyond kombu's own: the embedded one whole messages, Redis a free hand.

A consumer of kombu's filesystem transport can read a half-written message; writing to a temporary
name and renaming it cures that. On Redis, a consumer whose acknowledgement is cut off counts that
message as its own for ever and asks for no other; it is let go here. What is lost or delivered
twice does no harm: a hint only says where to look, and the sweeper hints again.
"""

import uuid
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES, filesystem, redis, virtual
from kombu.utils.encoding import str_to_bytes
from kombu.utils.json import dumps

# Seconds before the first new try to reach a broker that went away, what each further wait adds,
# and the longest wait: a worker is back soon after the broker is.
RETRY_S = {"interval_start": 0.2, "interval_step": 0.4, "interval_max": 2.0}
# A delivered message is kept this long, for whoever looks into what a worker was told.
KEEP_DELIVERED = timedelta(hours=1)


class SwiftConnection(Connection):
    """A connection that comes back soon; kombu's own waits 2 s, then 4, 6, up to 30."""

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        """Try until the broker answers, with short waits between."""
        return super().ensure_connection(*args, **{**RETRY_S, **options})


class Channel(filesystem.Channel):
    """A channel whose messages are renamed into place."""

    def _put(self, queue: str, payload: dict[str, Any], **_: Any) -> None:
        """Write the message under a hidden name, then rename it: a reader sees all or nothing."""
        folder = Path(self.data_folder_out)
        name = f"{round(monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        hidden = folder / f".{name}.tmp"
        hidden.write_bytes(str_to_bytes(dumps(payload)))
        hidden.rename(folder / name)


class Transport(filesystem.Transport):
    """kombu's filesystem transport over that channel."""

    Channel = Channel

    def establish_connection(self) -> Any:
        """Connect; a folder that is not there is a broker that does not answer."""
        folder = Path(self.client.transport_options["data_folder_in"])
        if not folder.is_dir():
            raise ConnectionRefusedError(f"The broker's folder {folder} is missing.")
        return super().establish_connection()


class RedisQoS(redis.QoS):
    """What a consumer holds: an acknowledged message no more, even if the broker never heard."""

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message. Raises: what the line to the broker raises."""
        try:
            super().ack(delivery_tag)
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise


class RedisChannel(redis.Channel):
    """A channel that holds messages so."""

    QoS = RedisQoS


class RedisTransport(redis.Transport):
    """kombu's transport over that channel."""

    Channel = RedisChannel


TRANSPORT_ALIASES["atomicfs"] = "imprimatur.config.broker:Transport"
TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = "imprimatur.config.broker:RedisTransport"


def folder_options(folder: Path) -> dict[str, object]:
    """Return the options of a broker under `folder` (made if missing), polled every 10 ms."""
    for name in ("messages", "processed", "control"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    messages = str(folder / "messages")
    return {
        "data_folder_in": messages,
        "data_folder_out": messages,
        "processed_folder": str(folder / "processed"),
        "control_folder": str(folder / "control"),
        "store_processed": True,
        "polling_interval": 0.01,
    }


def prune(processed: Path, *, now: datetime, older_than: timedelta = KEEP_DELIVERED) -> int:
    """Delete delivered messages that were written more than `older_than` before `now`."""
    before = (now - older_than).timestamp()
    deleted = 0
    for path in processed.glob("*.msg"):
        try:
            if path.stat().st_mtime < before:
                path.unlink()
                deleted += 1
        except FileNotFoundError:  # another relay was faster
            continue
    return deleted
