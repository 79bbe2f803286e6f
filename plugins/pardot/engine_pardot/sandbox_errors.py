"""How the sandbox reports faults: each code with its status and text, as JSON, XML or the version 4 envelope."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from engine.testing.server import Response

#: Code → usual HTTP status and message. Where the status is not documented it is what clients have reported.
#: Source: developer.salesforce.com/docs/marketing/pardot/guide/error-codes
CODES: Mapping[str, tuple[int, str]] = {
    "3": (404, "Invalid prospect ID"),
    "4": (400, "Invalid prospect email address"),
    "5": (400, "Invalid query parameters"),
    "9": (400, "A prospect with the specified email address already exists"),
    "10": (400, "Invalid user ID"),
    "13": (400, "One or more required parameters are missing"),
    "16": (400, "Invalid ID"),
    "29": (400, "Invalid score"),
    "36": (400, "A required value is missing"),
    "37": (400, "The prospect account cannot be set while a CRM connector is in use"),
    "38": (400, "Invalid campaign ID"),
    "39": (400, "Invalid profile ID"),
    "46": (405, "The user does not have permission for this request"),
    "49": (401, "Access Denied"),
    "50": (400, "Invalid boolean value"),
    "53": (403, "API access from this IP address is not allowed"),
    "54": (400, "The email address is already in use"),
    "55": (400, "Invalid list ID"),
    "56": (400, "Invalid number"),
    "57": (400, "Invalid date"),
    "58": (400, "That prospect is already a member of that list. Update the membership instead."),
    "60": (405, "The HTTP method is not allowed for this endpoint"),
    "61": (400, "Invalid prospect account ID"),
    "62": (400, "Another update of this record is in progress"),
    "66": (429, "The limit of concurrent requests is exceeded"),
    "76": (403, "API access is disabled"),
    "85": (400, "The prospect could not be saved"),
    "109": (404, "The requested record was not found"),
    "116": (400, "The request is outdated"),
    "119": (500, "The Salesforce connector has no valid token"),
    "120": (500, "The Salesforce connector could not be verified"),
    "121": (500, "Syncing with Salesforce failed"),
    "122": (429, "The daily API request limit has been reached"),
    "125": (400, "Only one of userId and salesforceOwnerId may be given"),
    "126": (401, "This way of signing in is no longer supported"),
    "130": (400, "Invalid fields"),
    "132": (400, "An archived prospect cannot be changed"),
    "150": (400, "The request body is not valid JSON"),
    "151": (400, "The content type is not supported"),
    "152": (400, "The request body is empty"),
    "153": (400, "A required property is missing"),
    "154": (400, "A property has an invalid value"),
    "155": (400, "The state of the import does not allow this"),
    "157": (400, "The import batch has no file or no rows"),
    "160": (400, "The import has the most batches that are allowed"),
    "161": (400, "The import batch is too large"),
    "163": (400, "The import has expired"),
    "164": (400, "The daily limit of import batches is reached"),
    "180": (400, "The request holds fields that do not exist or cannot be written"),
    "181": (400, "A required header is missing"),
    "182": (400, "Invalid header value"),
    "183": (500, "Internal error"),
    "184": (401, "access_token is invalid, unknown, or malformed"),
    "192": (404, "The record was not found"),
    "198": (404, "The endpoint does not exist"),
    "199": (401, "API keys are no longer supported"),
    "201": (403, "Business Unit specified in Pardot-Business-Unit-Id header not found or inactive."),
    "202": (400, "The limit of requests per minute is reached, or the query took too long"),
    "204": (400, "The uploaded file is too large or empty"),
    "205": (404, "The record action does not exist"),
    "209": (400, "Too many filters"),
    "210": (400, "The page token has expired"),
    "211": (400, "The page token is invalid"),
    "214": (504, "The API request timed out"),
    "219": (400, "A deleted record cannot be updated"),
    "224": (400, "The request asks for fields that cannot be read"),
    "236": (400, "The list is not valid for this business unit"),
}

_HTML = "<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>"


class ApiError(Exception):
    """A request is refused with `code`; `tail` is appended to the usual message, as the vendor does."""

    def __init__(self, code: str, tail: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code, tail)
        self.code = code
        self.tail = tail
        self.headers = dict(headers or {})


def message_of(code: str) -> str:
    """What Pardot says with a code."""
    return CODES.get(code, (400, f"Error {code}"))[1]


def text_of(error: ApiError) -> str:
    """The message of an error, with its tail."""
    return f"{message_of(error.code)}: {error.tail}" if error.tail else message_of(error.code)


def reported(
    code: str,
    text: str,
    *,
    status: int | None = None,
    form: str = "json",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the response for a code: `form` is json, xml or v4 (the old envelope, with HTTP 200)."""
    usual, _ = CODES.get(code, (400, ""))
    if form == "xml":
        body = f'<rsp stat="fail" version="1.0"><err code="{code}">{escape(text)}</err></rsp>'
        return Response(status or usual, body, {"Content-Type": "text/xml;charset=UTF-8", **(headers or {})})
    if form == "v4":
        envelope = {"@attributes": {"stat": "fail", "version": 1, "err_code": int(code)}, "err": text}
        return Response(200, envelope, headers or {})
    return Response(status or usual, {"code": int(code), "message": text}, headers or {})


def gateway(status: int) -> Response:
    """Return what a proxy in front of the API answers: a page, no code."""
    return Response(status, _HTML.format(status=status), {"Content-Type": "text/html"})


class TokenRefusal(Exception):
    """The token host refuses, in the words of OAuth."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.response = Response(status, {"error": error, "error_description": description})
