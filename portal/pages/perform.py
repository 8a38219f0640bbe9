"""Carrying out an action from a page, and saying how it went."""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.http import HttpRequest

from provisioning.flows import NotAllowed, Refused


def perform(
    request: HttpRequest,
    action: Callable[[], object],
    *,
    done: str,
    form: forms.BaseForm | None = None,
) -> bool:
    """Carry out ``action`` and say ``done``. Returns whether it was possible.

    If not, the reason goes into the ``form``, whose page is then shown again with what was
    typed; without a form it becomes a message.
    """
    try:
        action()
    except (NotAllowed, Refused) as error:
        if form is None:
            messages.error(request, str(error))
        else:
            form.add_error(None, str(error))
        return False
    messages.success(request, done)
    return True
