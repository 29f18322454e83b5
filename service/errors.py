"""What the service refuses or fails with, and the one table from error to HTTP status.

ServiceError
├── BadRequestError        400  the request breaks a rule; `param` names the field
├── UnauthorizedError      401  no key, or a key we do not know
├── ForbiddenError         403  a known key without the scope
├── NotFoundError          404  no such model, index or route
├── MethodNotAllowedError  405  the route exists for another method
├── RequestTimeoutError    408  the client did not finish sending its request
├── PayloadTooLargeError   413  body above the limit
├── RateLimitedError       429  the tenant's own limit; carries Retry-After
├── InternalError          500  our fault; the details stay in the log
├── UnavailableError       503  carries Retry-After
│   ├── ServerBusyError         the bounded queue is full
│   ├── DrainingError           the process is shutting down
│   └── EngineDeadError         the engine died; the process is about to exit
└── DeadlineError          504  the request's deadline passed

Every one is sent as OpenAI's body, `{"error": {"message", "type", "param", "code"}}`, so that the official
clients raise their own classes for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from pydantic import BaseModel, Field
from typing_extensions import override


class ErrorDetail(BaseModel):
    """What went wrong, in OpenAI's words."""

    message: str = Field(description="What was expected and what came.")
    type: str = Field(description="The class of error, e.g. `invalid_request_error`.")
    param: str | None = Field(
        default=None, description="The request field at fault, dotted, if there is one."
    )
    code: str | None = Field(default=None, description="A stable word a program can test for.")


class ErrorBody(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorDetail


class ServiceError(Exception):
    """Base of everything a client may be told. `message` is safe to send: it never holds a secret."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    default_code: ClassVar[str | None] = None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or self.default_code
        self.retry_after = retry_after

    def body(self) -> ErrorBody:
        """Give the body to send."""
        return ErrorBody(
            error=ErrorDetail(message=self.message, type=self.type, param=self.param, code=self.code)
        )

    def headers(self) -> dict[str, str]:
        """Give the headers that go with it: `Retry-After` in whole seconds, rounded up, at least 1."""
        if self.retry_after is None:
            return {}
        return {"Retry-After": str(max(1, -int(-self.retry_after // 1)))}


class BadRequestError(ServiceError):
    """The request breaks a rule."""

    status = 400
    type = "invalid_request_error"


class UnauthorizedError(ServiceError):
    """No API key, or one we do not know. The two read the same, so that keys cannot be guessed."""

    status = 401
    type = "authentication_error"
    default_code = "invalid_api_key"

    def headers(self) -> dict[str, str]:
        """Name the scheme expected, as RFC 9110 asks of every 401."""
        return {"WWW-Authenticate": 'Bearer realm="codefusion"', **super().headers()}


class ForbiddenError(ServiceError):
    """A known key without the scope the route asks for."""

    status = 403
    type = "permission_error"
    default_code = "insufficient_scope"


class NotFoundError(ServiceError):
    """No such model, index or route."""

    status = 404
    type = "invalid_request_error"
    default_code = "not_found"


class MethodNotAllowedError(ServiceError):
    """The route exists, for another method."""

    status = 405
    type = "invalid_request_error"
    default_code = "method_not_allowed"

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message)
        self.allow = allow

    def headers(self) -> dict[str, str]:
        """Name the methods there are, as RFC 9110 asks of every 405."""
        return {"Allow": self.allow, **super().headers()}


class RequestTimeoutError(ServiceError):
    """The client took too long to send its request."""

    status = 408
    type = "invalid_request_error"
    default_code = "request_timeout"


class PayloadTooLargeError(ServiceError):
    """The body is larger than the limit."""

    status = 413
    type = "invalid_request_error"
    default_code = "payload_too_large"


class RateLimitedError(ServiceError):
    """The tenant's own limit is reached. `rate_headers` are OpenAI's x-ratelimit-*, where a rate is the limit."""

    status = 429
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"
    rate_headers: Mapping[str, str] = MappingProxyType({})

    @override
    def headers(self) -> dict[str, str]:
        return {**super().headers(), **self.rate_headers}


class InternalError(ServiceError):
    """Our fault. The message names the request id and nothing else."""

    status = 500
    type = "server_error"
    default_code = "internal_error"


class UnavailableError(ServiceError):
    """The server cannot take the request now; another replica, or the same later, may."""

    status = 503
    type = "server_error"
    default_code = "unavailable"


class ServerBusyError(UnavailableError):
    """The bounded queue is full."""

    default_code = "server_busy"


class DrainingError(UnavailableError):
    """The process is shutting down."""

    default_code = "draining"


class EngineDeadError(UnavailableError):
    """The engine died; readiness is off and the process is about to exit."""

    default_code = "engine_dead"


class DeadlineError(ServiceError):
    """The request's deadline passed."""

    status = 504
    type = "timeout_error"
    default_code = "deadline_exceeded"


class ConfigurationError(Exception):
    """The service cannot start with these settings. Raised before it listens; never sent to a client."""
