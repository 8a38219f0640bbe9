"""Serving the embedded AWS over HTTP, in a thread."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server


@dataclass(frozen=True)
class Server:
    """``url`` has no closing slash."""

    url: str


@contextmanager
def serve(
    application: Callable[..., Any], host: str, port: int, certificate: tuple[Path, Path] | None
) -> Iterator[Server]:
    """See ``EmbeddedAws.serve``."""
    ssl_context = (str(certificate[0]), str(certificate[1])) if certificate else None
    server = make_server(
        host, port, application, threaded=True, request_handler=_Quiet, ssl_context=ssl_context
    )
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Server(f"{'https' if certificate else 'http'}://{host}:{server.port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Quiet(WSGIRequestHandler):
    """Keeps connections open, and logs nothing."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        pass

    def send_response(self, code: int, message: str | None = None) -> None:
        # Without this machine's date: the application sends that of AWS's clock.
        self.send_response_only(code, message)
