"""The grammar of policy documents, and when two of them mean the same. Pure.

A document is the dict of its JSON. Source: the IAM user guide, "Grammar of the IAM JSON policy
language".
"""

import hashlib
import json
from typing import Any

Document = dict[str, Any]

VERSION = "2012-10-17"
# The fingerprint of what is not there.
NOTHING = "nothing"
REMEDY = "The AWS account's administrator can correct it, or delete it if it is not needed."


class MalformedPolicy(ValueError):
    """A document found in AWS that the portal cannot keep as it is."""


def to_json(document: Document) -> str:
    """The document as it is sent to AWS. Minified: ECR counts white space."""
    return json.dumps(document, separators=(",", ":"))


def from_json(text: str) -> Document:
    """The document in ``text``. Raises MalformedPolicy."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise MalformedPolicy(f"The policy found in AWS is not JSON: {error}. {REMEDY}") from None
    if not isinstance(document, dict):
        raise MalformedPolicy(f"The policy found in AWS is not a JSON object. {REMEDY}")
    for statement in statements(document):
        if not _is_statement(statement):
            raise MalformedPolicy(
                f"The policy found in AWS has a statement that IAM does not know. {REMEDY}"
            )
    return document


def _is_statement(found: Any) -> bool:
    """Whether the parts that are read further on have their shapes."""
    if not isinstance(found, dict):
        return False
    principals = [found[each] for each in ("Principal", "NotPrincipal") if each in found]
    condition = found.get("Condition", {})
    return (
        all(isinstance(each, dict) or each == "*" for each in principals)
        and isinstance(condition, dict)
        and all(isinstance(test, dict) for test in condition.values())
    )


def from_found(found: str | Document) -> Document:
    """A document as it stands in IAM's answers, which botocore has decoded for most operations.
    Raises MalformedPolicy."""
    return from_json(found if isinstance(found, str) else json.dumps(found))


def statements(document: Document | None) -> list[Any]:
    """The statements of a document; a lone one may stand without its list."""
    found = (document or {}).get("Statement", [])
    return found if isinstance(found, list) else [found]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def same_meaning(one: Document | None, other: Document | None) -> bool:
    """Whether two documents grant the same, however AWS returned them: the order of keys, actions
    and principals carries no meaning, nor does a scalar in place of a list of one."""
    return _normal(one) == _normal(other)


def meaning(document: Document | None) -> str:
    """What tells a whole document from others, however AWS returned it."""
    return hash_of(_normal(document)) if document is not None else NOTHING


def _normal(document: Document | None) -> Any:
    if document is None:
        return None
    rest = {key: value for key, value in document.items() if key != "Statement"}
    return rest, sorted((normal_part(s) for s in statements(document)), key=repr)


def normal_part(part: Any) -> Any:
    if isinstance(part, dict):
        return tuple(sorted((key, normal_part(value)) for key, value in part.items()))
    return tuple(sorted(str(item) for item in as_list(part)))


def hash_of(content: Any) -> str:
    return hashlib.sha256(repr(content).encode()).hexdigest()
