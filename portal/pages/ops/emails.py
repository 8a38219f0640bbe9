"""What the portal's emails look like, by samples."""

from csp.constants import NONE, UNSAFE_INLINE
from csp.decorators import csp
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.emails import samples
from portal.pages.guards import ops_only


@ops_only
@require_GET
def email_list(request: HttpRequest) -> HttpResponse:
    return render(request, "ops/emails.html", {"samples": samples.samples()})


@ops_only
@require_GET
# An email brings its style with it, and loads nothing.
@csp(  # type: ignore[arg-type]
    {
        "default-src": [NONE],
        "style-src": [UNSAFE_INLINE],
        "base-uri": [NONE],
        "form-action": [NONE],
        "frame-ancestors": [NONE],
    }
)
def email_sample(request: HttpRequest, slug: str) -> HttpResponse:
    """The email itself, as HTML, or with ``?text`` as text."""
    try:
        found = samples.sample(slug)
    except KeyError:
        raise Http404 from None
    if "text" in request.GET:
        return HttpResponse(str(found.message.body), content_type="text/plain; charset=utf-8")
    return HttpResponse(found.html)
