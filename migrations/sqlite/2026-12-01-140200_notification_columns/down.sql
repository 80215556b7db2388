-- A migration of PostgreSQL only: SQLite has neither times nor texts of bounded length, and no other program uses its file.
SELECT 1;
