"""One database behind one small port: SQLite or PostgreSQL, its schema and migrations."""
