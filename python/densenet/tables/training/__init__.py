"""Train on a table: settings, rows held out, and what is decided by those rows."""
