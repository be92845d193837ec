"""The application: settings, one view, and the WSGI entry for gunicorn.

    gunicorn --workers 2 --threads 8 bench.baseline_django.site:application

`BASELINE_DATABASE_URL` names the database.

Sessions in the database, CSRF, authentication and the security middleware as `startproject` puts them; connections are
kept (`CONN_MAX_AGE`), `DEBUG` is off, templates and messages are left out, since nothing uses them. A vote is one
transaction: the poll and the option are read, the row is inserted, the unique key refuses the second one.
"""

import json
import os
from urllib.parse import parse_qs, unquote, urlsplit

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path

url = urlsplit(os.environ["BASELINE_DATABASE_URL"])
query = parse_qs(url.query)
SECRET = "bench: nothing is protected by it"

settings.configure(
    SECRET_KEY=SECRET,
    DEBUG=False,
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "bench.baseline_django",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": url.path[1:],
            "USER": unquote(url.username or ""),
            "PASSWORD": unquote(url.password or ""),
            "HOST": query["host"][0] if "host" in query else (url.hostname or ""),
            "PORT": str(url.port or ""),
            "CONN_MAX_AGE": None,
        }
    },
)  # fmt: skip
django.setup()

from bench.baseline_django.models import Option, Poll, Vote  # noqa: E402
from django.db import IntegrityError, transaction  # noqa: E402
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.utils import timezone  # noqa: E402


def cast(request: HttpRequest, poll_id: int) -> JsonResponse:
    """Take a vote: 201, or 401, 404, 409, 422 with a word."""
    if not request.user.is_authenticated:
        return JsonResponse({"error": "sign in"}, status=401)
    try:
        option_id = int(json.loads(request.body)["option"])
    except (ValueError, KeyError, TypeError):
        return JsonResponse({"error": "malformed"}, status=422)
    now = timezone.now()
    try:
        with transaction.atomic():
            poll = Poll.objects.filter(id=poll_id, opens_at__lte=now, closes_at__gt=now).first()
            if poll is None:
                return JsonResponse({"error": "not open"}, status=404)
            option = Option.objects.filter(id=option_id, poll=poll).first()
            if option is None:
                return JsonResponse({"error": "no such option"}, status=422)
            vote = Vote.objects.create(poll=poll, user=request.user, option=option)
    except IntegrityError:
        return JsonResponse({"error": "already voted"}, status=409)
    return JsonResponse({"vote": vote.id, "cast_at": vote.cast_at.isoformat()}, status=201)


urlpatterns = [path("polls/<int:poll_id>/votes", cast)]
application = get_wsgi_application()
