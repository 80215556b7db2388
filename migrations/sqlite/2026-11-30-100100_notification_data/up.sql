-- SQLite keeps JSON as text; on PostgreSQL the column becomes JSONB.
SELECT 1;
