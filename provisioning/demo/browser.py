"""A person at the site, without a browser: pages by address, forms by their fields."""

import re
from html import unescape

import requests

TIMEOUT = 30  # seconds for a response


class UnexpectedAnswer(Exception):
    """The site answered with a status that a person would not see."""


class Visitor:
    """One person's session. ``page`` is the text of the last page, ``address`` its path."""

    def __init__(self, site: str) -> None:
        self._site = site
        self._session = requests.Session()
        self.page = ""
        self.address = ""

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value or "" for cookie in self._session.cookies}

    def sign_in(self, email: str, password: str) -> None:
        self.get("/account/login/")
        self.post("/account/login/", login=email, password=password)

    def confirm(self, password: str) -> None:
        """Confirm that it is still this person, as staff do before they change something."""
        self.get("/account/reauthenticate/")
        self.post("/account/reauthenticate/", password=password)

    def get(self, address: str) -> str:
        return self._read(self._session.get(self._site + address, timeout=TIMEOUT))

    def post(self, address: str, **fields: str) -> str:
        """Send a form as the page shows it, with its CSRF token, and follow the redirect."""
        fields["csrfmiddlewaretoken"] = self._session.cookies.get("csrftoken") or ""
        headers = {"Referer": self._site + address}
        return self._read(
            self._session.post(self._site + address, fields, headers=headers, timeout=TIMEOUT)
        )

    def link(self, pattern: str, *, after: str = "") -> str:
        """The first address in the last page, ``after`` these words, that matches wholly."""
        _, _, rest = self.page.partition(after or "<body")
        for address in re.findall(r'(?:href|action)="([^"]+)"', rest):
            if re.fullmatch(pattern, unescape(address)):
                return unescape(address)
        raise UnexpectedAnswer(f"{self.address} has no link like {pattern}.")

    def value(self, name: str) -> str:
        """What the last page offers to copy in the element with ``data-value="name"``."""
        found = re.search(rf'data-value="{name}".*?<code[^>]*>([^<]*)</code>', self.page, re.DOTALL)
        if found is None:
            raise UnexpectedAnswer(f"{self.address} shows no {name}.")
        return unescape(found[1])

    def _read(self, answer: requests.Response) -> str:
        if not answer.ok:
            raise UnexpectedAnswer(f"{answer.url} answered {answer.status_code}.")
        self.page = answer.text
        self.address = answer.url.removeprefix(self._site)
        return self.page
