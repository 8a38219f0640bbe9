"""Answers as the protocols of the services write them."""

import json
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from provisioning.embedded_aws.refusals import Refusal


def refused(service: str, refusal: Refusal) -> Response:
    """An error as the service's protocol writes it."""
    if service == "ecr":
        content = json.dumps({"__type": refusal.code, "message": refusal.message})
        return Response(content, refusal.status, {"Content-Type": "application/x-amz-json-1.1"})
    content = (
        "<ErrorResponse><Error><Type>Sender</Type>"
        f"<Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message>"
        "</Error><RequestId>embedded</RequestId></ErrorResponse>"
    )
    return Response(content, refusal.status, {"Content-Type": "text/xml"})
