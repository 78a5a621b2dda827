"""A Django application whose models are the tables that are measured."""
