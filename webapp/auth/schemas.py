"""Bodies and answers of logging in, and the form of addresses, passwords and users."""

from datetime import datetime
from typing import Annotated, Literal

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from webapp.http.bodies import RequestBody
from webapp.http.paging import Page

MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 8, 256


def normalize_email(email: str) -> str:
    """Write an e-mail address in the one form under which its account is found. Raises pydantic's custom error."""
    try:
        normalized = validate_email(email, check_deliverability=False, globally_deliverable=False).normalized.casefold()
    except EmailNotValidError as error:
        raise PydanticCustomError("invalid_email", "is not an e-mail address") from error
    if "." not in normalized.rpartition("@")[2]:
        raise PydanticCustomError("invalid_email", "is not an e-mail address")
    return normalized


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "must not be blank")
    return text.strip()


Role = Literal["driver", "admin"]
Email = Annotated[str, Field(max_length=320, examples=["alice@example.com"]), AfterValidator(normalize_email)]
NewPassword = Annotated[str, Field(min_length=MIN_PASSWORD_LENGTH, max_length=MAX_PASSWORD_LENGTH)]
Password = Annotated[str, Field(min_length=1, max_length=MAX_PASSWORD_LENGTH)]
FullName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_not_blank)]


class Credentials(RequestBody):
    """Who logs in."""

    email: Email
    password: Password


class UserDocument(BaseModel):
    """A user."""

    id: str
    email: str
    full_name: str
    role: Role
    is_active: bool
    created_at: datetime


class LoginDocument(BaseModel):
    """A device that is logged in."""

    id: str
    created_at: datetime
    last_used_at: datetime
    user_agent: str | None
    ip: str | None
    current: bool


class LoginListDocument(Page[LoginDocument]):
    """The devices that are logged in."""


class TokensDocument(BaseModel):
    """The tokens of a login. Send the access token as Bearer; the refresh token only to /auth/refresh and
    /auth/logout.
    """

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Life of the access token, in s.")
    refresh_expires_in: int = Field(description="Life of the refresh token, in s.")
