DROP TABLE sheet_cells;
DROP TABLE sheets;
