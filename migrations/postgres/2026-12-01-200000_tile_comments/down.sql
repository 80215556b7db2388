DROP TABLE tile_comments;
