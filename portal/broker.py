"""The broker of the embedded form: kombu's folder of messages, each visible only when whole."""

import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    def _put(self, queue: str, payload: dict[str, Any], **_: object) -> None:  # type: ignore[override]
        """Write to another name, then rename. kombu 5.7 itself writes the file in place, and a
        worker that reads half a message ends. Raises ChannelError."""
        # The names are sorted as text: without the zeros, 999 comes after 1000.
        name = f"{time.monotonic_ns():020}_{uuid.uuid4()}"
        part = Path(self.data_folder_out, f"{name}.part")
        try:
            part.write_text(dumps(payload))
            part.rename(part.with_name(f"{name}.{queue}.msg"))
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise ChannelError(f"The broker's folder accepts no message: {error}") from error


class Transport(filesystem.Transport):
    Channel = Channel
