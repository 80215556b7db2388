DROP TABLE notification_queue;
DROP TABLE notifications;
