DROP TABLE space_members;
DROP TABLE spaces;
DELETE FROM rooms WHERE kind = 'space';
