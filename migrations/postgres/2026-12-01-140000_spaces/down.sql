DROP TABLE space_members;
DROP TABLE spaces;
DROP FUNCTION count_space_member();
DELETE FROM rooms WHERE kind = 'space';
