-- Notifications that another program has stored, until a node has queued and delivered them. A trigger cannot know who stores a
-- row, so the server deletes its own rows from here in the transaction that stores them.
CREATE TABLE notification_arrivals (
    notification_id BLOB NOT NULL PRIMARY KEY REFERENCES notifications (id) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TRIGGER notification_noted AFTER INSERT ON notifications BEGIN
    INSERT INTO notification_arrivals (notification_id) VALUES (NEW.id);
END;
