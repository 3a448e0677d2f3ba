"""The route that estimates a video before it is requested."""

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from service.dependencies import BodyDep
from service.estimates import estimate_request
from service.http.error_codes import RATE_LIMIT_HEADERS
from service.http.fields import validate
from service.openapi.examples import CREATE_EXAMPLES
from service.openapi.headers import request_headers, response_headers
from service.openapi.request_bodies import json_or_form_body
from service.openapi.responses import ESTIMATE_ERRORS, errors
from service.schemas.estimate import VideoEstimate
from service.schemas.requests.create import INPUT_FIELDS, CreateVideo
from service.submission.submitter import EstimatorDep

router = APIRouter(prefix="/v1/videos", tags=["videos"])


@router.post(
    "/estimate",
    responses={200: {"headers": response_headers(*RATE_LIMIT_HEADERS)}, **errors(*ESTIMATE_ERRORS)},
    openapi_extra=request_headers("Cancel-After") | json_or_form_body(CreateVideo, CREATE_EXAMPLES, INPUT_FIELDS),
)
async def estimate_video(submitter: EstimatorDep, fields: BodyDep) -> VideoEstimate:
    """Estimates the video of a request: its windows and steps, its place in the queue, and when it will be finished.

    The body and the refusals are those of `POST /v1/videos`. Nothing is stored, and no quota is used.
    """
    return await estimate_request(submitter, await run_in_threadpool(validate, CreateVideo, fields))
