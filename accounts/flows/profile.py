"""How a person is called, and in which time zone they read times."""

from django.db import transaction

from accounts.actor import Actor
from accounts.audit.log import Action, record
from accounts.models import User


@transaction.atomic
def change(user: User, *, name: str, time_zone: str, by: Actor) -> None:
    before = _in_words(user)
    user.name, user.time_zone = name, time_zone
    user.save(update_fields=["name", "time_zone"])
    if _in_words(user) != before:
        record(Action.CHANGED_PROFILE, user.email, by=by, changes=f"{before} → {_in_words(user)}")


def _in_words(user: User) -> str:
    return f"{user.name or 'no name'}, {user.time_zone}"
