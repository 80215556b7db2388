-- The column types and defaults that other programs expect of this table: times without a time zone, in UTC, and short texts of
-- bounded length. Values that such a program leaves out, or sets to NULL, are filled in.
ALTER TABLE notifications
    ALTER COLUMN type TYPE VARCHAR(50) USING left(type, 50),
    ALTER COLUMN title TYPE VARCHAR(255) USING left(title, 255),
    ALTER COLUMN status TYPE VARCHAR(50) USING left(status, 50),
    ALTER COLUMN created_at TYPE TIMESTAMP USING created_at AT TIME ZONE 'UTC',
    ALTER COLUMN updated_at TYPE TIMESTAMP USING updated_at AT TIME ZONE 'UTC',
    ALTER COLUMN expires_at TYPE TIMESTAMP USING expires_at AT TIME ZONE 'UTC',
    ALTER COLUMN created_at SET DEFAULT (now() AT TIME ZONE 'UTC'),
    ALTER COLUMN updated_at SET DEFAULT (now() AT TIME ZONE 'UTC');

CREATE FUNCTION fill_notification() RETURNS TRIGGER AS $$
BEGIN
    NEW.type := COALESCE(NEW.type, 'updates');
    NEW.title := COALESCE(NEW.title, '');
    NEW.message := COALESCE(NEW.message, '');
    NEW.data := COALESCE(NEW.data, '{}'::JSONB);
    NEW.status := COALESCE(NEW.status, 'unread');
    NEW.is_active := COALESCE(NEW.is_active, TRUE);
    NEW.created_at := COALESCE(NEW.created_at, now() AT TIME ZONE 'UTC');
    NEW.updated_at := COALESCE(NEW.updated_at, NEW.created_at);
    RETURN NEW;
END
$$ LANGUAGE plpgsql;
CREATE TRIGGER notification_filled BEFORE INSERT OR UPDATE ON notifications
    FOR EACH ROW EXECUTE FUNCTION fill_notification();
