"""The route of `/v1/content_provenance_checks`: what the marks of a file say about its origin."""

from fastapi import APIRouter

from service.dependencies import BodyDep, OwnerDep, ResourcesDep
from service.http.fields import validate
from service.openapi.request_bodies import form_body
from service.openapi.responses import BODY_ERRORS, KEY_ERRORS, errors
from service.schemas.content_provenance_check import (
    ContentProvenanceCheck,
    CreateContentProvenanceCheck,
    ProvenanceResult,
)

router = APIRouter(prefix="/v1/content_provenance_checks", tags=["files"])

CHECK_ERRORS = ("unsupported_file", "unsupported_image", "unsupported_video", "rate_limited", "decoder_unavailable")


@router.post(
    "",
    responses=errors(*KEY_ERRORS, *BODY_ERRORS, *CHECK_ERRORS),
    openapi_extra=form_body(CreateContentProvenanceCheck),
)
def check_content_provenance(owner: OwnerDep, resources: ResourcesDep, fields: BodyDep) -> ContentProvenanceCheck:
    """Checks the marks of an image or a video: C2PA, XMP, AIGC, and whether its bytes are those of a video of yours.

    The file is not stored. A file without marks is no claim; it may still be generated.
    """
    body = validate(CreateContentProvenanceCheck, fields)
    results = resources.provenance.check(body.file.data, owner)
    return ContentProvenanceCheck(results=[ProvenanceResult.model_validate(result) for result in results])
