"""One tracked model a table, of the columns that the table has."""

import pghistory
from django.conf import settings
from django.db import models

_FIELDS = {
    "bigint": lambda **options: models.BigIntegerField(**options),
    "uuid": lambda **options: models.UUIDField(**options),
    "text": lambda **options: models.TextField(**options),
    "numeric": lambda **options: models.DecimalField(max_digits=20, decimal_places=5, **options),
    "integer": lambda **options: models.IntegerField(**options),
    "boolean": lambda **options: models.BooleanField(**options),
    "timestamp with time zone": lambda **options: models.DateTimeField(**options),
    "jsonb": lambda **options: models.JSONField(**options),
}


def _model(table: str, columns: list[tuple[str, str]]) -> type[models.Model]:
    fields = {
        name: _FIELDS[kind](primary_key=True) if name == "id" else _FIELDS[kind](null=True)
        for name, kind in columns
    }
    meta = type("Meta", (), {"db_table": table, "managed": False, "app_label": "shop"})
    model = type(table.title(), (models.Model,), {**fields, "__module__": __name__, "Meta": meta})
    track = pghistory.track(
        pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent()
    )
    return track(model)


_MODELS = [_model(table, columns) for table, columns in settings.SHOP_COLUMNS.items()]
