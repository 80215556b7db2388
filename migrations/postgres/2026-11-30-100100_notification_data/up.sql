-- Other programs query it with JSONB operators.
ALTER TABLE notifications ALTER COLUMN data TYPE JSONB USING data::JSONB;
