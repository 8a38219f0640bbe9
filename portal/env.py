"""Typed readers of the environment.

Every reader takes the value of ``NAME``, or the content of the file that ``NAME_FILE`` names (how
Docker and Kubernetes pass secrets), and fails loudly: a wrong or missing setting stops the start
with a sentence that names the variable to correct.
"""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def text(name: str, default: str | None = None) -> str:
    """The value of ``name``, stripped; if it is not set, ``default`` or an error."""
    file = os.environ.get(f"{name}_FILE")
    if file and name in os.environ:
        raise ImproperlyConfigured(f"Both {name} and {name}_FILE are set: keep one of them.")
    if file:
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(
                f"{name}_FILE names {file}, which cannot be read ({error.strerror})."
            ) from None
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(f"Set {name} (or {name}_FILE): see .env.example.")
    return value.strip()


def boolean(name: str, *, default: bool) -> bool:
    value = text(name, str(default)).lower()
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")


def integer(name: str, default: int, *, minimum: int = 0) -> int:
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None
    if number < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {number}.")
    return number


def choice(name: str, default: str, *, among: list[str]) -> str:
    value = text(name, default)
    if value not in among:
        raise ImproperlyConfigured(f"{name} must be {' or '.join(among)}, not {value!r}.")
    return value


def words(name: str, default: str | None = "") -> list[str]:
    """A list of items separated by commas."""
    return [item.strip() for item in text(name, default).split(",") if item.strip()]


def is_any_set(prefix: str) -> bool:
    """Whether a variable with this prefix is set."""
    return any(name.startswith(prefix) for name in os.environ)
