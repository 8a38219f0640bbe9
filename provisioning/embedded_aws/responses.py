"""Responses in the protocols of the services."""

import json
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from provisioning.embedded_aws.errors import ApiError


def refused(service: str, refusal: ApiError) -> Response:
    """An error in the service's protocol."""
    if service == "ecr":
        content = json.dumps({"__type": refusal.code, "message": refusal.message})
        return Response(content, refusal.status, {"Content-Type": "application/x-amz-json-1.1"})
    content = (
        "<ErrorResponse><Error><Type>Sender</Type>"
        f"<Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message>"
        "</Error><RequestId>embedded</RequestId></ErrorResponse>"
    )
    return Response(content, refusal.status, {"Content-Type": "text/xml"})
