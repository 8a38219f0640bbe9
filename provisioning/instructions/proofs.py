"""When each instruction last ran as it is rendered, and with what. Written by ``make prove``,
where the tests run them."""

import json
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("proven.json")


@dataclass(frozen=True)
class Proof:
    """``on`` the day ``tools`` did ``what``, in words."""

    on: date
    tools: str
    what: str


@cache
def proofs() -> dict[str, Proof]:
    """The last proof of each instruction, by its slug."""
    told = json.loads(FILE.read_text())
    return {
        slug: Proof(date.fromisoformat(row["on"]), row["tools"], row["what"])
        for slug, row in told.items()
    }
