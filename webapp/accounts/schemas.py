"""Bodies and answers of accounts, as their users and as administrators see them."""

from webapp.auth.schemas import Email, FullName, NewPassword, Password, Role, UserDocument
from webapp.http.bodies import RequestBody
from webapp.http.paging import Page


class Registration(RequestBody):
    """A new account. A role never comes from a client."""

    email: Email
    password: NewPassword
    full_name: FullName


class UserChange(RequestBody):
    """What users change of their own account."""

    full_name: FullName


class PasswordChange(RequestBody):
    """A new password, and the present one."""

    current_password: Password
    new_password: NewPassword


class AccountDeletion(RequestBody):
    """The password, to delete the account that it opens."""

    password: Password


class AdminChange(RequestBody):
    """What administrators change of an account; what is left out stays."""

    role: Role | None = None
    is_active: bool | None = None


class UserListDocument(Page[UserDocument]):
    """A page of accounts, newest first."""
