DROP TRIGGER notification_noted ON notifications;
DROP FUNCTION note_notification();
DROP TABLE notification_arrivals;
