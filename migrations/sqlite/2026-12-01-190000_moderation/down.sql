DROP TABLE audit_log;
DROP TABLE reports;
DROP TABLE word_rules;
DROP TABLE sanctions;
DROP TABLE moderation_version;
