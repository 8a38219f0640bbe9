"""``make bench``: how fast approvals are carried out by PostgreSQL, Redis and an AWS whose calls
take time, beside a plain loop of boto3 and a shell script of ``aws`` that make the same changes.

Prints a table of each figure's median, with its lowest and its highest value, and writes all of
them to ``var/bench/results.json``.
"""

import json
from argparse import ArgumentParser
from statistics import median
from typing import Any

from tests.benchmarks import approvals, embedded, growth
from tests.faults.zygote_driver import ROOT

RESULTS = ROOT / "var/bench/results.json"
PARTS = {"approvals": approvals.run, "embedded": embedded.run, "growth": growth.run}


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--only", choices=PARTS, help="One of the parts.")
    parser.add_argument("--approvals", type=int, default=300)
    parser.add_argument("--loop", type=int, default=40, help="Approvals of the plain loop.")
    parser.add_argument("--script", type=int, default=4, help="Approvals of the shell script.")
    parser.add_argument("--embedded", type=int, default=100, help="Approvals, embedded.")
    parser.add_argument("--customers", type=int, nargs=2, default=[1_000, 20_000])
    parser.add_argument("--call-ms", type=float, default=40, help="How long each AWS call takes.")
    parser.add_argument("--pool", default="prefork", choices=["prefork", "threads"])
    parser.add_argument("--concurrency", type=int, default=8)
    options = parser.parse_args()
    runs: list[dict[str, Any]] = []
    for _ in range(options.runs):
        parts = [part for name, part in PARTS.items() if options.only in (None, name)]
        runs.append({name: value for part in parts for name, value in part(options).items()})
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({"options": vars(options), "runs": runs}, indent=2) + "\n")
    for line in table(runs):
        print(line)  # noqa: T201 - that is what it is for


def table(runs: list[dict[str, Any]]) -> list[str]:
    lines = []
    for name, first in runs[0].items():
        values = [run[name] for run in runs]
        if isinstance(first, dict):
            line = str(first)
        else:
            line = f"{median(values):<10} {min(values)} to {max(values)}"
        lines.append(f"{name:28} {line}")
    return lines
