"""Fixtures of the tests of accounts."""

import pytest

from accounts.actor import Actor
from accounts.emails import delivery
from accounts.flows import invitations
from accounts.flows.members import Role
from accounts.models import Invitation, User
from provisioning.demo.seed import Cast
from tests.accounts.invited import DANA, person


@pytest.fixture
def invitation(cast: Cast) -> Invitation:
    """From Alice, to Dana, as engineer of Birch Bank. Its email is sent."""
    invitation = invitations.invite(cast.birch, DANA, Role.ENGINEER, by=Actor(cast.alice))
    delivery.send_due()
    invitation.refresh_from_db()
    return invitation


@pytest.fixture
def dana(db: None) -> User:
    return person(DANA)
