DROP TRIGGER notification_noted;
DROP TABLE notification_arrivals;
