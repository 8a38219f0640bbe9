"""Tags and filters of the site's templates."""

import re

from django import template
from django.conf import settings
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from accounts.models import User

register = template.Library()


@register.simple_tag
def support_email() -> str:
    """Where there is no request, and so no context processor."""
    return settings.SUPPORT_EMAIL


@register.filter
def initials(user: User) -> str:
    """One or two characters that stand for the person."""
    words = user.name.split() or [user.email]
    return "".join(word[0] for word in (words[0], *words[1:][-1:])).upper()


@register.filter
def marked(text: str, words: list[str]) -> SafeString:
    """The text with each of the words in a <var>; of two that begin alike, the first counts."""
    if not words:
        return escape(text)
    pattern = "|".join(re.escape(str(escape(word))) for word in words)
    return mark_safe(re.sub(f"({pattern})", r"<var>\1</var>", str(escape(text))))  # noqa: S308 - escaped before
