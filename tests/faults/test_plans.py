"""With many customers on PostgreSQL, what runs again and again reads no table as a whole."""

from pathlib import Path

import pytest

from tests.aws import Aws
from tests.faults.zygote_driver import zygote
from tests.services import postgresql


@pytest.mark.timeout(170)
def test_nothing_that_runs_often_reads_a_whole_table(aws: Aws, tmp_path: Path) -> None:
    with postgresql() as address, zygote(tmp_path / "state", DATABASE_URL=address) as portal:
        portal.run("seed", aws.url)
        portal.run("approve")
        portal.run("turns")
        portal.run("seed_many")
        portal.run("seed_log_of_years")
        assert portal.run("whole_tables_read") == []
