"""`/survey`: one question, answered once a period and person. With a page of its own, which needs nothing of the stock one.

The page is open to all: it holds nothing but the question, and answers with the token that the auth backend gives whoever is
signed in. Only people may answer. What they wrote is for those who may write events: the platform's engineers.
"""

import html
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from understage.errors import InputError
from understage.identity.authorizer import Authorizer
from understage.measures.api.measures import MEASURES_WRITE
from understage.measures.service import Measures
from understage.platform.light_imports import OLD_MODELS, absent
from understage.platform.openapi import OBJECT, STRING, Text, array_of, describe, object_of
from understage.platform.plugin import json_response
from understage.platform.requests import Body, Member, Parameter, check_body, parse_query, read_required_json

FOLDER = Path(__file__).parent
PAGE_PATHS = ("/survey/page", "/survey/page.js")
LONGEST_COMMENT = 2000
ANSWER = Body({"score": Member("integer", required=True, minimum=1), "comment": Member("string")}, additional=False)
COMMENTS_QUERY = {"period": Parameter()}
SCORE = {"type": "integer", "minimum": 1, "maximum": 5}


@absent(OLD_MODELS)
def create_survey_router(measures: Measures, authorizer: Authorizer, *, auth_url: str) -> APIRouter:
    """The routes; `auth_url` is the external address of the auth backend."""
    router = APIRouter()
    script = (FOLDER / "survey.js").read_bytes()
    page = _render_page(measures.settings.survey.question, auth_url)
    headers = {"Content-Security-Policy": _policy(auth_url), "X-Frame-Options": "DENY", "Cache-Control": "no-store"}

    @router.get(PAGE_PATHS[0], openapi_extra=describe("A page to answer", answers={200: Text("text/html")}))
    async def get_page(_request: Request) -> Response:
        return Response(page, 200, headers, media_type="text/html")

    @router.get(PAGE_PATHS[1], openapi_extra=describe("Its script", answers={200: Text("text/javascript")}))
    async def get_script(_request: Request) -> Response:
        return Response(script, media_type="text/javascript")

    @router.post(
        "/survey",
        openapi_extra=describe(
            "Answer the question", body=ANSWER, answers={200: object_of({"period": STRING, "score": SCORE})}
        ),
    )
    async def answer(request: Request) -> Response:
        parse_query(request, {})
        user = request.state.credentials.require("user").user_ref
        body = check_body(await read_required_json(request), ANSWER.members, additional=False)
        score, comment = _read_answer(body)
        period = await measures.answer_survey(user, score, comment)
        return json_response({"period": period, "score": score})

    @router.get(
        "/survey/comments",
        openapi_extra=describe(
            "What people wrote in a period",
            query=COMMENTS_QUERY,
            answers={200: object_of({"period": STRING, "comments": array_of(OBJECT)})},
        ),
    )
    async def get_comments(request: Request) -> Response:
        query = parse_query(request, COMMENTS_QUERY)
        await authorizer.require(MEASURES_WRITE, request.state.credentials)
        period = query.get("period") or measures.survey_period(measures.clock())
        comments = await measures.survey_comments(period)
        return json_response(
            {"period": period, "comments": [{"score": score, "comment": text} for score, text in comments]}
        )

    return router


def _read_answer(body: dict[str, Any]) -> tuple[int, str | None]:
    score, comment = body["score"], str(body.get("comment", "")).strip()
    if not 1 <= score <= 5:
        raise InputError("request/body/score must be from 1 to 5")
    if len(comment) > LONGEST_COMMENT:
        raise InputError(f"request/body/comment must have at most {LONGEST_COMMENT} characters")
    return int(score), comment.replace("\0", "") or None


def _render_page(question: str, auth_url: str) -> str:
    template = (FOLDER / "survey.html").read_text("utf-8")
    return template.replace("{question}", html.escape(question)).replace("{auth}", html.escape(auth_url))


def _policy(auth_url: str) -> str:
    parts = urlsplit(auth_url)
    sources = f"'self' {parts.scheme}://{parts.netloc}"
    return (
        f"default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src {sources}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
