"""Reading settings from the environment."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal import env


def test_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        env.text("SECRET_KEY")


def test_value_is_read_from_the_named_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from the file\n")
    monkeypatch.setenv("A_SECRET_FILE", str(file))
    assert env.text("A_SECRET") == "from the file"


def test_two_sources_for_one_setting_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("A_SECRET", "one")
    monkeypatch.setenv("A_SECRET_FILE", str(tmp_path / "other"))
    with pytest.raises(ImproperlyConfigured, match="keep one"):
        env.text("A_SECRET")


def test_error_names_the_setting_and_its_unreadable_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("A_SECRET_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(ImproperlyConfigured, match=r"A_SECRET_FILE names .*nowhere"):
        env.text("A_SECRET")


@pytest.mark.parametrize("value", ["perhaps", "2"])
def test_value_that_is_not_a_boolean_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("A_SWITCH", value)
    with pytest.raises(ImproperlyConfigured, match="true or false"):
        env.boolean("A_SWITCH", default=True)


@pytest.mark.parametrize(("value", "read"), [("yes", True), ("0", False), ("True", True)])
def test_boolean_is_read(monkeypatch: pytest.MonkeyPatch, value: str, *, read: bool) -> None:
    monkeypatch.setenv("A_SWITCH", value)
    assert env.boolean("A_SWITCH", default=not read) is read


def test_number_that_is_too_small_or_not_whole_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_NUMBER", "0")
    with pytest.raises(ImproperlyConfigured, match="at least 1"):
        env.integer("A_NUMBER", 5, minimum=1)
    monkeypatch.setenv("A_NUMBER", "five")
    with pytest.raises(ImproperlyConfigured, match="whole number"):
        env.integer("A_NUMBER", 5)


def test_list_is_split_at_its_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_LIST", "one, two,,three ")
    assert env.words("A_LIST") == ["one", "two", "three"]
