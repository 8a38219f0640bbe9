import pytest

from accounts.actor import Actor
from accounts.audit import head
from accounts.audit.log import Action, record
from provisioning.demo.seed import Cast
from provisioning.tasks import link_audit_log


@pytest.fixture(autouse=True)
def _no_head_of_another_test() -> None:
    head._file().unlink(missing_ok=True)
    head._file().with_name(head.ALARM).unlink(missing_ok=True)


@pytest.fixture
def pks(cast: Cast) -> list[int]:
    """The ids of five linked lines."""
    lines = [
        record(Action.RETRIED, f"row {number}", by=Actor(cast.otto), customer=cast.birch)
        for number in range(1, 6)
    ]
    link_audit_log()
    return [line.pk for line in lines]
