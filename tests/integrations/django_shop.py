"""The shop as a Django application. To be imported once Django is set up."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.db import models
from django.http import HttpRequest
from django.urls import path
from django.utils.functional import SimpleLazyObject

VIEWS: dict[str, Callable[[HttpRequest], Any]] = {}
"""What a test puts in the place of the view."""


class Order(models.Model):
    """A row of the table that is tracked."""

    objects: ClassVar[models.Manager["Order"]] = models.Manager()

    status: "models.TextField[str, str]" = models.TextField(default="new")
    follows: "models.IntegerField[int | None, int | None]" = models.IntegerField(null=True)

    class Meta:
        app_label = "shop"
        db_table = "orders"
        managed = False


class LazyUserMiddleware:
    """As Django's AuthenticationMiddleware: who it is, is looked up when somebody asks."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        # The typed request knows a user of Django's own only.
        request.user = SimpleLazyObject(lambda: VIEWS["user"](request))  # type: ignore[assignment]
        return self.get_response(request)


def view(request: HttpRequest) -> Any:
    """The one view."""
    return VIEWS["view"](request)


async def awaited(request: HttpRequest) -> Any:
    """The one that is awaited."""
    return await VIEWS["view"](request)


urlpatterns = [path("", view), path("awaited", awaited)]
