"""``pgchronicle`` on the command line."""
