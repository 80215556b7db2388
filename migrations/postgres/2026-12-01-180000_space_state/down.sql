DROP TABLE space_state;
