"""Responses in pages, which moto lacks: lists longer than ``page_size`` are cut, and the
caller must continue with the marker (``Marker`` of IAM, ``nextToken`` of ECR)."""

import json
import xml.etree.ElementTree as ET
from typing import Any

from provisioning.embedded_aws.calls import Call

# Operation → the list in its response.
LISTS = {
    "ListUsers": "Users",
    "ListAccessKeys": "AccessKeyMetadata",
    "ListAttachedUserPolicies": "AttachedPolicies",
    "ListUserPolicies": "PolicyNames",
    "DescribeImages": "imageDetails",
}
NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"


def page(call: Call, content: bytes, page_size: int) -> bytes:
    """The part of a response that the caller asked for."""
    name = LISTS.get(call.operation)
    if name is None:
        return content
    if call.service == "ecr":
        return _json_page(call, json.loads(content), name, page_size)
    return _xml_page(call, content, name, page_size)


def _json_page(call: Call, answer: dict[str, Any], name: str, page_size: int) -> bytes:
    start = int(call.parameters.get("nextToken", 0))
    found = answer[name]
    # moto does not filter either.
    if call.parameters.get("filter", {}).get("tagStatus") == "TAGGED":
        found = [image for image in found if image.get("imageTags")]
    answer[name] = found[start : start + page_size]
    if len(found) > start + page_size:
        answer["nextToken"] = str(start + page_size)
    return json.dumps(answer).encode()


def _xml_page(call: Call, content: bytes, name: str, page_size: int) -> bytes:
    ET.register_namespace("", NAMESPACE)
    root = ET.fromstring(content)  # noqa: S314 - moto's own answer
    space = {"iam": NAMESPACE}
    result = root.find(f"iam:{call.operation}Result", space)
    listed = result.find(f"iam:{name}", space) if result is not None else None
    if result is None or listed is None:
        return content
    start = int(call.parameters.get("Marker", 0))
    found = list(listed)
    for place, member in enumerate(found):
        if not start <= place < start + page_size:
            listed.remove(member)
    is_truncated = len(found) > start + page_size
    truncated = result.find("iam:IsTruncated", space)
    if truncated is None:
        truncated = ET.SubElement(result, f"{{{NAMESPACE}}}IsTruncated")
    truncated.text = str(is_truncated).lower()
    if is_truncated:
        ET.SubElement(result, f"{{{NAMESPACE}}}Marker").text = str(start + page_size)
    return ET.tostring(root)
