DROP TABLE canvas_activity;
DROP TABLE tile_likes;
DROP TABLE tiles;
DROP TABLE canvases;
-- Releases before this do not know the kind.
DELETE FROM rooms WHERE kind = 'canvas';
