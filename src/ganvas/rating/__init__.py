"""People as judges: blind comparisons on a local page, kept in SQLite, with intervals and a passport."""
