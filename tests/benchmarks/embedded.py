"""The embedded form: SQLite, the folder of messages, and AWS without a delay."""

import tempfile
import time
from pathlib import Path
from typing import Any

from provisioning.demo import seed
from provisioning.embedded_aws import EmbeddedAws
from tests.benchmarks.approvals import wait_until_ready
from tests.faults.zygote_driver import worker_with_beat, zygote


def run(options: Any) -> dict[str, Any]:
    aws = EmbeddedAws()
    seed.stock(aws)
    with aws.serve() as server, tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        with zygote(state) as portal:
            portal.run("seed", server.url)
            began = time.monotonic()
            portal.run("approve_many", options.embedded)
            with worker_with_beat(state, state / "worker.log", "--concurrency", "2"):
                wait_until_ready(portal, options.embedded)
    return {"embedded_s": round(time.monotonic() - began, 1)}
