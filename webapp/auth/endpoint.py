"""The one decorator of a route: what a view needs, it says in its signature.

* `caller: Caller` lets in whoever presents a good token, an access token unless `tokens` says otherwise: 401.
  `caller: Administrator` lets in administrators alone: 403.
* `json: Model` is the body (400, 413, 415), `query: Model` the query, `headers: Model` the headers that are heeded,
  each read strictly and validated after the caller was let in (422).
* What else it takes stands in the path (404).

From that, and from what is said of the answer, follows what the OpenAPI document tells of the route. Whatever a view
leaves uncommitted is rolled back when it refuses or fails, unless the refusal says that it stands.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from webapp.auth.authenticate import administrator, authenticate
from webapp.auth.guard import Administrator, Caller, Claims
from webapp.auth.tokens import ACCESS
from webapp.cache.fills import Prefetched
from webapp.cache.kinds import Kind
from webapp.database import db
from webapp.http.api import BEARER, PUBLIC, describe
from webapp.http.errors import Problem
from webapp.http.rate_limits import Limit, rate_limits

Called = Callable[..., Any]
View = TypeVar("View", bound=Called)

NOT_IN_THE_PATH = ("caller", "json", "query", "headers", "prefetched", "allowance")


def endpoint(
    answers: type[BaseModel] | Mapping[int, type[BaseModel] | None],
    *problems: int,
    tag: str,
    tokens: Sequence[str] = (ACCESS,),
    also: tuple[str, Kind] | None = None,
    limit: Limit | None = None,
) -> Callable[[View], View]:
    """Declare a view that answers with a document of this form, or by status (None: no body), and may refuse with these
    `problems`, besides those that follow from its signature.

    `also` names a parameter of the path that is the id of a cached kind: what Redis holds of it is fetched in the round
    trip that authenticates the caller, and handed over as `prefetched`. So is what the caller has left of a `limit`, as
    `allowance`.
    """
    by_status = answers if isinstance(answers, Mapping) else {200: answers}

    def decorate(view: View) -> View:
        parameters = inspect.signature(view, eval_str=True).parameters
        who = parameters["caller"].annotation if "caller" in parameters else None
        told = {*problems, *_problems_of(parameters)}
        heeded = parameters["headers"].annotation.answers if "headers" in parameters else {}
        called = describe(view, {**by_status, **heeded}, told, security=BEARER if who else PUBLIC, tag=tag)
        route = _settled(_guarded(called, who, tokens, also, limit) if who else called)
        route.is_guarded = who is not None  # type: ignore[attr-defined]
        return cast(View, route)

    return decorate


def _problems_of(parameters: Mapping[str, inspect.Parameter]) -> set[int]:
    told: set[int] = set()
    if "caller" in parameters:
        told |= {401, 403} if parameters["caller"].annotation is Administrator else {401}
    if "json" in parameters:
        told |= {400, 413, 415}
    if "headers" in parameters:
        told |= set(parameters["headers"].annotation.problems)
    if parameters.keys() - NOT_IN_THE_PATH:
        told.add(404)
    return told


def _guarded(
    view: Called, who: type[Caller], tokens: Sequence[str], also: tuple[str, Kind] | None, limit: Limit | None
) -> Called:
    """Let callers in before anything else of the request is looked at."""

    @wraps(view)
    def guarded(**path: Any) -> Any:
        def keys(claims: Claims) -> list[str]:
            of_kind = [also[1].key(path[also[0]])] if also else []
            return of_kind + ([rate_limits().key(limit, claims.user_id)] if limit else [])

        caller, found = authenticate(tokens, keys)
        if limit:
            path["allowance"] = rate_limits().allowance(limit, caller.user.id, found and found[-1:])
        if also:
            path["prefetched"] = Prefetched(also[1], path[also[0]], found)
        return view(caller=administrator(caller) if who is Administrator else caller, **path)

    return guarded


def _settled(view: Called) -> Called:
    """Leave nothing of a request that was refused or has failed, but what stands all the same."""

    @wraps(view)
    def settled(**path: Any) -> Any:
        try:
            return view(**path)
        except BaseException as error:
            if isinstance(error, Problem) and error.stands:
                db.session.commit()
            else:
                db.session.rollback()
            raise

    return settled
