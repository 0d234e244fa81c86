import pytest
from starlette.requests import Request

from understage.errors import InputError, PayloadTooLargeError
from understage.platform.requests import (
    Body,
    Member,
    Parameter,
    check_body,
    decode_base64,
    parse_query,
    read_json,
    read_sent,
    refuse_strays,
)

DECLARED = {
    "filter": Parameter("list"),
    "limit": Parameter("integer", minimum=0),
    "totalItems": Parameter(choices=("include", "exclude")),
    "dryRun": Parameter("boolean"),
}


def make_request(query: str = "", body: bytes = b"", content_type: str | None = "application/json") -> Request:
    headers = [] if content_type is None else [(b"content-type", content_type.encode())]

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "method": "POST", "query_string": query.encode(), "headers": headers, "path": "/"}
    return Request(scope, receive)


def test_parameters_come_typed() -> None:
    query = "filter=kind%3Dapi&filter=a%20b&limit=5&totalItems=exclude&dryRun=yes"
    assert parse_query(make_request(query), DECLARED) == {
        "filter": ["kind=api", "a b"],
        "limit": 5,
        "totalItems": "exclude",
        "dryRun": True,
    }


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("foo=1", "Unknown query parameter 'foo'"),
        ("filter=", "Empty value found for query parameter 'filter'"),
        ("limit=x", "request/query/limit must be integer"),
        ("limit=1&limit=2", "request/query/limit must be integer"),
        ("limit=-1", "request/query/limit must be >= 0"),
        ("limit[]=1", "request/query/limit must be integer"),
        ("limit=1.5", "request/query/limit must be integer"),
        ("limit=1_0", "request/query/limit must be integer"),
        ("limit=1e999", "request/query/limit must be integer"),
        ("dryRun=x&limit=x", "request/query/limit must be integer"),
        ("filter[a]=x", "request/query/filter/0 must be string"),
        ("filter[]=x&filter[a]=x&filter=x", "request/query/filter/0 must be string"),
        ("filter=x&filter[a]=x", "request/query/filter/1 must be string"),
        ("filter[a]=x&filter=x", "request/query/filter/0 must be string"),
        ("filter[0]=x&filter[0]=y", "request/query/filter/0 must be string"),
        ("filter[][a]=x", "request/query/filter/0 must be string"),
        ("filter[1000]=x", "request/query/filter/0 must be string"),
        ("filter[01]=x", "request/query/filter/0 must be string"),
        ("dryRun[]=true", "request/query/dryRun must be string"),
        ("limit=99999999999999999999", "request/query/limit must be integer"),
        ("totalItems=no", "request/query/totalItems must be equal to one of the allowed values: include, exclude"),
    ],
)
def test_the_first_problem_of_a_query_is_told_in_the_stock_words(query: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_query(make_request(query), DECLARED)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("text", "number"), [("1e1", 10), ("0x10", 16), ("+1", 1), ("%201%20", 1), ("2.0", 2), ("-0", 0)]
)
def test_numbers_are_read_as_javascript_reads_them(text: str, number: int) -> None:
    assert parse_query(make_request(f"limit={text}"), DECLARED) == {"limit": number}


def test_lists_may_be_written_with_brackets_and_hold_empty_texts() -> None:
    assert parse_query(make_request("filter[]=a&filter[0]=b&filter="), DECLARED) == {"filter": ["a", "b", ""]}


def test_base64_is_read_as_node_reads_it() -> None:
    assert decode_base64("e30") == decode_base64("e30=") == decode_base64(" e3\n0=rest") == b"{}"
    assert decode_base64("_-8=") == decode_base64("/+8=")
    assert decode_base64("e") == b""


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(InputError, match="request/query must have required property 'facet'"):
        parse_query(make_request(), {"facet": Parameter("list", required=True)})


async def test_a_body_is_parsed_and_limited() -> None:
    assert await read_json(make_request(body=b'{"a": 1}')) == {"a": 1}
    assert await read_json(make_request(body=b"\xef\xbb\xbf[]")) == []
    assert await read_json(make_request()) == {}
    assert await read_json(make_request(body=b'{"a": 1}', content_type=None)) is None
    with pytest.raises(PayloadTooLargeError) as caught:
        await read_json(make_request(body=b"x" * 11), limit=10)
    assert caught.value.properties["limit"] == 10
    with pytest.raises(InputError, match="Request body is not JSON") as broken:
        await read_json(make_request(body=b'{"secret": hunter2'))
    assert "hunter2" not in broken.value.message
    with pytest.raises(InputError, match="neither a JSON object nor an array"):
        await read_json(make_request(body=b"5"))
    with pytest.raises(InputError, match="unsupported media type text/plain"):
        await read_json(make_request(body=b"{}", content_type="text/plain"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "request/body must be object"),
        ({}, "request/body must have required property 'refs'"),
        ({"refs": "x"}, "request/body/refs must be array"),
        ({"refs": [1]}, "request/body/refs/0 must be string"),
        ({"refs": [], "limit": True}, "request/body/limit must be number"),
        ({"refs": [], "more": 1}, "request/body must NOT have additional properties"),
    ],
)
def test_the_first_problem_of_a_body_is_told_in_the_stock_words(body: object, message: str) -> None:
    members = {"refs": Member("array", required=True, items="string"), "limit": Member("number")}
    with pytest.raises(InputError) as caught:
        check_body(body, members, additional=False)
    assert caught.value.message == message


BODY = Body({"target": Member("string", required=True)}, refuses_strays=True)


@pytest.mark.parametrize(
    ("query", "content_type", "body", "message"),
    [
        ("foo=1", None, b"", "unsupported media type undefined"),
        ("foo=1&limit=x", "application/json", b"{}", "Unknown query parameter 'foo'"),
        ("limit=x", "application/json", b'{"target": 5}', "{query} must be integer, {body}/target must be string"),
        ("limit=1", "application/json", b'{"a": 5}', "{body} must have required property 'target'"),
        ("limit=x", "application/json", b'{"target": "x", "a": 5}', "{query} must be integer"),
    ],
)
async def test_query_and_body_are_refused_in_the_stock_order(
    query: str, content_type: str | None, body: bytes, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        await read_sent(make_request(query, body, content_type), DECLARED, BODY)
    assert caught.value.message == message.format(query="request/query/limit", body="request/body")


async def test_query_and_body_come_together() -> None:
    request = make_request("limit=5", b'{"target": "x", "other": 1}')
    query, body = await read_sent(request, DECLARED, BODY)
    assert (query, body) == ({"limit": 5}, {"target": "x", "other": 1})
    with pytest.raises(InputError, match="unknown member 'other'; known are target"):
        refuse_strays(body, BODY)


async def test_a_body_that_need_not_be_sent_is_empty() -> None:
    optional = Body({"target": Member("string", required=True)}, required=False)
    assert await read_sent(make_request(content_type=None), {}, optional) == ({}, {})
