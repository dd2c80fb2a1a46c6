"""Uploads with Django: DRF's serializer and simplejwt, `bulk_create(ignore_conflicts=True)`, F() expressions."""

from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings as django_settings
from settings import DATABASE_URL, REDIS_URL, SECRET, blacklist_key, session_key, user_key

database = urlsplit(DATABASE_URL)
django_settings.configure(
    DEBUG=False,
    SECRET_KEY=SECRET,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"],
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": database.hostname,
            "PORT": database.port,
            "USER": database.username,
            "PASSWORD": unquote(database.password or ""),
            "NAME": database.path[1:],
            "CONN_MAX_AGE": None,
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
    CACHES={
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": REDIS_URL,
            "KEY_FUNCTION": lambda key, _prefix, _version: key,
            "OPTIONS": {"SERIALIZER": "django_redis.serializers.json.JSONSerializer"},
        }
    },
)

import django  # noqa: E402 - Django must be configured before anything of it is imported

django.setup()

from django.core.cache import cache  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.models import F  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402
from django_tables import BatchSerializer, DrivingSession, Reading  # noqa: E402
from rest_framework.exceptions import NotFound, PermissionDenied  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from upload_summary import SUM_UP, document, grown, is_in_order  # noqa: E402


class CallerView(APIView):
    """A view for those whose token is not blacklisted, and whose account is active."""

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        user, blacklisted = user_key(str(request.user.id)), blacklist_key(request.auth["jti"])
        found = cache.get_many([blacklisted, user])
        if blacklisted in found or not found.get(user, {}).get("is_active"):
            raise PermissionDenied


class UploadView(CallerView):
    """The readings of a drive."""

    def post(self, request: Request, session_id: Any) -> Response:
        batch = BatchSerializer(data=request.data)
        batch.is_valid(raise_exception=True)
        readings = batch.validated_data["readings"]
        with transaction.atomic():
            session = DrivingSession.objects.select_for_update().filter(id=session_id, user_id=request.user.id).first()
            if session is None:
                raise NotFound
            accepted = store(session, readings)
            session.refresh_from_db(fields=["last_seq", "version"])
        cache.delete(session_key(str(session_id)))
        receipt = {"accepted": accepted, "duplicates": len(readings) - accepted}
        return Response({**receipt, "last_seq": session.last_seq, "session_version": session.version})


def store(session: DrivingSession, readings: list[dict[str, Any]]) -> int:
    """Insert what is not there yet, and bring the drive up to date. Return how many readings are new."""
    seqs = [reading["seq"] for reading in readings]
    known = set(Reading.objects.filter(session=session, seq__in=seqs).values_list("seq", flat=True))
    by_seq = {reading["seq"]: reading for reading in reversed(readings) if reading["seq"] not in known}
    fresh = [{"speed_mps": None, **by_seq[seq]} for seq in sorted(by_seq)]
    Reading.objects.bulk_create([Reading(session=session, **each) for each in fresh], ignore_conflicts=True)
    if fresh and is_in_order(session, fresh):
        DrivingSession.objects.filter(id=session.id).update(
            **grown(session, fresh),
            readings_count=F("readings_count") + len(fresh),
            version=F("version") + 1,
            updated_at=timezone.now(),
        )
    elif fresh:
        with connection.cursor() as cursor:
            cursor.execute(SUM_UP, {"session_id": session.id})
    return len(fresh)


class SessionView(CallerView):
    """One session."""

    def get(self, request: Request, session_id: Any) -> Response:
        session = cache.get(session_key(str(session_id)))
        if session is None:
            found = DrivingSession.objects.filter(id=session_id).first()
            session = document(found) if found else None
            cache.set(session_key(str(session_id)), session, timeout=3600)
        if session is None or session["user_id"] != str(request.user.id):
            raise NotFound
        return Response(session)


urlpatterns = [
    path("api/v1/sessions/<uuid:session_id>/readings", UploadView.as_view()),
    path("api/v1/sessions/<uuid:session_id>", SessionView.as_view()),
]
app = get_wsgi_application()
