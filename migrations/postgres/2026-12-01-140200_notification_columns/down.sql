DROP TRIGGER notification_filled ON notifications;
DROP FUNCTION fill_notification();
ALTER TABLE notifications
    ALTER COLUMN created_at DROP DEFAULT,
    ALTER COLUMN updated_at DROP DEFAULT,
    ALTER COLUMN type TYPE TEXT,
    ALTER COLUMN title TYPE TEXT,
    ALTER COLUMN status TYPE TEXT,
    ALTER COLUMN created_at TYPE TIMESTAMPTZ USING created_at AT TIME ZONE 'UTC',
    ALTER COLUMN updated_at TYPE TIMESTAMPTZ USING updated_at AT TIME ZONE 'UTC',
    ALTER COLUMN expires_at TYPE TIMESTAMPTZ USING expires_at AT TIME ZONE 'UTC';
