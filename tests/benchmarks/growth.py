"""What an approval costs with few customers and with many, on PostgreSQL."""

import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from provisioning.demo import seed
from provisioning.embedded_aws import EmbeddedAws
from tests.faults.zygote_driver import zygote
from tests.services import postgresql

SAMPLES = 9
# The numbers of the customers that are approved come after those of all others.
BEYOND = 1_000_000


def run(options: Any) -> dict[str, Any]:
    aws = EmbeddedAws()
    seed.stock(aws)
    results: dict[str, Any] = {}
    cpu_ms: list[float] = []
    with (
        aws.serve() as server,
        postgresql() as database,
        tempfile.TemporaryDirectory() as folder,
        zygote(Path(folder), DATABASE_URL=database) as portal,
    ):
        portal.run("seed", server.url)
        there = 0
        for customers in options.customers:
            portal.run("seed_many", customers - there, there)
            there = customers
            numbers = range(BEYOND + customers, BEYOND + customers + SAMPLES)
            samples = [portal.run("approve_and_count", number) for number in numbers]
            cpu_ms.append(median(sample["cpu_ms"] for sample in samples))
            results[f"cpu_ms_at_{customers}"] = round(cpu_ms[-1])
            results[f"sql_at_{customers}"] = median(sample["sql"] for sample in samples)
    results["cpu_many_vs_few"] = round(cpu_ms[-1] / cpu_ms[0], 2)
    return results
