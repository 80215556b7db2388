-- Other programs look into it with the operators of JSONB.
ALTER TABLE notifications ALTER COLUMN data TYPE JSONB USING data::JSONB;
