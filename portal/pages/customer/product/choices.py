"""What a reader has chosen to pull: it is kept in the address, so that it can be sent to a
colleague. What the address says wrongly, or not at all, is chosen by the page."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Q
from django.http import QueryDict

from provisioning import instructions, queries
from provisioning.models import AccessKey, Entitlement, Image, Repository

Chosen = TypeVar("Chosen")
# Of the versions that are offered, the newest.
VERSIONS = 20
# RFC 1123 label: Kubernetes, "Object Names and IDs".
NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Option:
    """One of the options of a field."""

    value: str
    label: str
    is_chosen: bool
    is_disabled: bool = False


class Choices:
    """The choices of a ``query`` among what an entitlement opens. ``repository``, ``image`` and
    ``key`` are None where there is none."""

    def __init__(self, entitlement: Entitlement, query: QueryDict) -> None:
        self._entitlement, self._query = entitlement, query
        self._by_name = by_name(queries.open_repositories(entitlement))
        self.repository_name = self._chosen(list(self._by_name), "repository", str) or ""
        self.repository = self._by_name.get(self.repository_name)

    # --- What is chosen -----------------------------------------------------------------

    @cached_property
    def image(self) -> Image | None:
        """The image whose tag or digest is chosen; otherwise the newest."""
        version = self._query.get("version", "")
        named = [row for row in self._newest if version in (*row.tags, row.digest)]
        older = self._older(version) if version and not named else []
        return next(iter([*named, *older, *self._newest]), None)

    @property
    def version(self) -> str:
        """A tag of the image, or its digest."""
        if self.image is None:
            return ""
        wanted = self._query.get("version", "")
        is_of_it = wanted in (*self.image.tags, self.image.digest)
        return wanted if is_of_it else next(iter(self.image.tags), self.image.digest)

    @cached_property
    def key(self) -> AccessKey | None:
        """The access key to pull with: one that was revealed, where there is one."""
        revealed = [key for key in self._keys if not key.secret.is_unrevealed]
        return self._chosen(revealed or self._keys, "credential", lambda key: str(key.pk))

    @cached_property
    def group(self) -> instructions.Group | None:
        return self._chosen(self._groups, "where", lambda group: group.slug)

    @cached_property
    def tool(self) -> instructions.Instruction | None:
        tools = self.group.tools if self.group else []
        return self._chosen(tools, "tool", lambda tool: tool.slug)

    @property
    def namespace(self) -> str:
        """As typed."""
        return self._query.get("namespace", "").strip()

    @property
    def namespace_error(self) -> str:
        if not self.namespace or NAMESPACE.fullmatch(self.namespace):
            return ""
        return "A namespace consists of a-z, 0-9 and inner hyphens, at most 63 of them."

    @property
    def address(self) -> str:
        """The query of the choices that are made here, complete."""
        found = {
            "repository": self.repository_name,
            "version": self.version,
            "where": self.group and self.group.slug,
            "tool": self.tool and self.tool.slug,
            "credential": self.key and self.key.pk,
            "namespace": "" if self.namespace_error else self.namespace,
        }
        return urlencode({name: value for name, value in found.items() if value})

    # --- What is offered ----------------------------------------------------------------

    @property
    def repositories(self) -> list[Option]:
        return _options(self._by_name, str, str, self.repository_name)

    @property
    def versions(self) -> list[Option]:
        """The tags of the newest images, then the chosen image by its digest. Who has not chosen
        another version gets the newest of each repository."""
        tags = dict.fromkeys(tag for row in self._newest for tag in row.tags)
        newest = next(iter(tags), "")
        if self.version and not self.version.startswith("sha256:"):
            tags.setdefault(self.version)
        found = [
            Option("" if tag == newest else tag, _label(tag, newest), tag == self.version)
            for tag in tags
        ]
        if self.image and not self._is_chart:
            digest = self.image.digest
            label = f"{digest[:19]}… (by digest)"
            found.append(Option(digest, label, digest == self.version))
        return found

    @property
    def places(self) -> list[Option]:
        return _options(self._groups, lambda row: row.slug, lambda row: row.title, self.group)

    @property
    def tools(self) -> list[Option]:
        tools = self.group.tools if self.group else []
        return _options(tools, lambda row: row.slug, lambda row: row.title, self.tool)

    @property
    def credentials(self) -> list[Option]:
        """The keys of the repository's account, also those that nobody has revealed yet."""
        return [
            Option(
                str(key.pk),
                f"{key.pull_user.label} …{key.access_key_id[-4:]}{_state(key)}",
                key == self.key,
                is_disabled=key.secret.is_unrevealed and key != self.key,
            )
            for key in self._keys
        ]

    # --- How they are found ---------------------------------------------------------------

    def _chosen(
        self, rows: list[Chosen], name: str, value: Callable[[Chosen], str]
    ) -> Chosen | None:
        wanted = self._query.get(name)
        named = (row for row in rows if value(row) == wanted)
        return next(named, rows[0] if rows else None)

    @cached_property
    def _newest(self) -> list[Image]:
        return list(self.repository.images.all()[:VERSIONS]) if self.repository else []

    def _older(self, version: str) -> list[Image]:
        named = Q(digest=version) | Q(tags__icontains=f'"{version}"')
        rows = Image.objects.filter(named, repository=self.repository)
        return [row for row in rows if version in (*row.tags, row.digest)]

    @cached_property
    def _is_chart(self) -> bool:
        return self.image is not None and self.image.kind == Image.Kind.CHART

    @cached_property
    def _groups(self) -> list[instructions.Group]:
        if self.repository is None or self.image is None:
            return []
        return instructions.in_groups(self.target_in(self.repository), is_chart=self._is_chart)

    def target_in(self, repository: Repository) -> instructions.PullTarget:
        """What fills in the commands for one of the repositories."""
        label = [self.key.pull_user.label] if self.key else []
        return instructions.PullTarget(
            profile=instructions.profile_of(settings.VENDOR_NAME, *label),
            region=repository.registry.region,
            uri=repository.pull_uri,
            version=self.version,
            endpoint_url=repository.registry.endpoint_url,
            access_key_id=self.key.access_key_id if self.key else "ACCESS_KEY_ID",
            namespace="" if self.namespace_error else self.namespace,
        )

    @cached_property
    def filled_in(self) -> list[str]:
        """What the choices put into the commands."""
        return self.target_in(self.repository).filled_in if self.repository else []

    @cached_property
    def _keys(self) -> list[AccessKey]:
        """The newest key of each pull user first, then those that retire."""
        if self.repository is None:
            return []
        account = self.repository.registry.account_id
        users = [u for u in queries.pull_users(self._entitlement) if u.account_id == account]
        keys = [key for user in users for key in queries.usable_keys(user)]
        return sorted(keys, key=lambda key: key.retires_at is not None)


def by_name(repositories: list[Repository]) -> dict[str, Repository]:
    """The repositories by name; those whose name two registries have, with the region or, if need
    be, the account."""
    found: dict[str, Repository] = {}
    for row in repositories:
        registry = row.registry
        ways = [row.name, f"{row.name} ({registry.region})", row.pull_uri]
        found[next(name for name in ways if name not in found)] = row
    return found


def _label(tag: str, newest: str) -> str:
    return f"{tag} (newest)" if tag == newest else tag


def _state(key: AccessKey) -> str:
    state = queries.key_state(key, key.pull_user).state
    return "" if state.colour == "ready" else f" ({state.label.lower()})"


def _options(
    rows: Iterable[Chosen],
    value: Callable[[Chosen], str],
    label: Callable[[Chosen], str],
    chosen: Chosen | None,
) -> list[Option]:
    return [Option(value(row), label(row), row == chosen) for row in rows]
