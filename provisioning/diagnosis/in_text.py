"""What an error that a customer pasted names, compared with what the portal knows of that
customer: another registry, another user, a key that is off. No query; nothing of the text is
shown."""

import re
from collections.abc import Iterator

from provisioning import queries
from provisioning.diagnosis.checks import Diagnosis, of_key
from provisioning.diagnosis.matching import readings_of
from provisioning.models import Entitlement
from provisioning.queries.progress import ATTENTION

ARN = re.compile(r"arn:aws[a-z-]{0,9}:(?:iam|sts)::\d{12}:(?:user|assumed-role)/[\w+=,.@/-]+")
REGION = r"[a-z]{2}(?:-[a-z]{1,15}){1,3}-\d"
HOST = re.compile(rf"\b(\d{{12}})\.dkr\.ecr(?:-fips)?\.({REGION})\.amazonaws\.com")
ASKED_REGION = re.compile(rf"(?:--region[ =]|api\.ecr\.|/)({REGION})(?:\.amazonaws|/ecr/| |$)")
# Access key ids of IAM users: "Understanding unique ID prefixes", IAM user guide.
KEY = re.compile(r"\bAKIA[A-Z0-9]{4,124}\b")


def known_of(entitlement: Entitlement, text: str) -> list[Diagnosis]:
    """For an entitlement loaded by ``queries.entitlements``: the most telling first."""
    reading = readings_of(text)[0]
    return [
        *_other_registry(entitlement, reading),
        *_other_user(entitlement, reading),
        *_keys(entitlement, reading),
    ]


def _other_registry(entitlement: Entitlement, reading: str) -> Iterator[Diagnosis]:
    registries = {row.registry for row in queries.repositories(entitlement)}
    places = {(row.account_id, row.region) for row in registries}
    regions = {region for _, region in places}
    hosts = " or ".join(
        sorted({row.pull_uri.partition("/")[0] for row in queries.repositories(entitlement)})
    )
    named = set(HOST.findall(reading))
    asked = set(ASKED_REGION.findall(reading))
    if named and not named & places:
        remedy = f"Use {hosts}: a session opens one registry only."
        yield Diagnosis("Registry", ATTENTION, "the error names another one", remedy=remedy)
    elif asked and not asked & regions:
        remedy = f"Sign in with --region {' or '.join(sorted(regions))}."
        yield Diagnosis("Region", ATTENTION, "the error names another one", remedy=remedy)


def _other_user(entitlement: Entitlement, reading: str) -> Iterator[Diagnosis]:
    ours = {user.arn for user in queries.pull_users(entitlement) if user.arn}
    named = set(ARN.findall(reading))
    if named and ours and not named & ours:
        yield Diagnosis(
            "Who you are to AWS",
            ATTENTION,
            "the error names another user than yours here",
            remedy=f"Name the profile of {' or '.join(sorted(ours))}, and remove AWS_PROFILE and "
            "left-over variables.",
        )


def _keys(entitlement: Entitlement, reading: str) -> Iterator[Diagnosis]:
    named = set(KEY.findall(reading))
    known = {
        shown.key.access_key_id: shown
        for user in queries.pull_users(entitlement)
        for shown in queries.key_states(user)
        if shown.key
    }
    for key_id in sorted(named & known.keys()):
        if known[key_id].state.colour != "ready":
            yield of_key(known[key_id])
    if named and not named & known.keys():
        yield Diagnosis(
            "Access key",
            ATTENTION,
            "the error names one that is none of yours here, or no longer",
            remedy=f"Use {' or '.join(sorted(known))}." if known else "",
        )
