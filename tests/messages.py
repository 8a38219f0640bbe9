"""The messages that wait in the embedded broker's folder."""

import json
from base64 import b64decode
from pathlib import Path

from django.conf import settings

Waiting = tuple[str, list[object]]


def clear() -> None:
    """Delete them all."""
    for file in _files():
        file.unlink()


def waiting(*tasks: str) -> list[Waiting]:
    """Task and arguments of each message of these tasks, in the order in which they arrive."""
    found = [_read(file) for file in _files()]
    return [message for message in found if not tasks or message[0] in tasks]


def queues(task: str) -> list[str]:
    """The queue of each message of this task, in the order in which they were sent."""
    return [file.name.split(".")[1] for file in _files() if _read(file)[0] == task]


def receive() -> list[Waiting]:
    """Take all messages off the queue."""
    found = []
    for file in _files():
        found.append(_read(file))
        file.unlink()
    return found


def _files() -> list[Path]:
    return sorted((settings.BROKER_DIR / "messages").glob("*.msg"))


def _read(file: Path) -> Waiting:
    message = json.loads(file.read_text())
    arguments, *_ = json.loads(b64decode(message["body"]))
    return message["headers"]["task"].rpartition(".")[2], arguments
