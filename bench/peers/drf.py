"""Django REST Framework with simplejwt and django-redis: stateless token users, the session in Django's cache."""

from typing import Any

from django.conf import settings as django_settings
from settings import REDIS_URL, SECRET, blacklist_key, load_session, session_key, user_key

django_settings.configure(
    DEBUG=False,
    SECRET_KEY=SECRET,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"],
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
    CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": REDIS_URL, "KEY_PREFIX": "peer:drf"}},
)

import django  # noqa: E402 - Django must be configured before anything of it is imported

django.setup()

from django.core.cache import cache  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.exceptions import NotFound, PermissionDenied  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class SessionView(APIView):
    """One session."""

    def get(self, request: Request, session_id: str) -> Response:
        user_id, jti = str(request.user.id), request.auth["jti"]
        key = session_key(session_id)
        found: dict[str, Any] = cache.get_many([blacklist_key(jti), user_key(user_id), key])
        if blacklist_key(jti) in found or not found.setdefault(user_key(user_id), {"is_active": True})["is_active"]:
            raise PermissionDenied
        if key not in found:
            found[key] = load_session(session_id)
            cache.set_many({key: found[key], user_key(user_id): found[user_key(user_id)]}, timeout=3600)
        session = found[key]
        if session is None or session["user_id"] != user_id:
            raise NotFound
        return Response(session, headers={"ETag": f'"{session["version"]}"'})


urlpatterns = [path("api/v1/sessions/<str:session_id>", SessionView.as_view())]
app = get_wsgi_application()
