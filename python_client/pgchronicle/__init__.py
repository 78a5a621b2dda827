"""An audit log inside PostgreSQL."""
