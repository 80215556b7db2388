DROP TABLE offline_queue;
DROP TABLE room_events;
DROP TABLE messages;
