//! Statements whose text never changes, so that each is prepared once per connection. Rows are passed as arrays.

/// Declares a statement with constant text, so that it is prepared once per connection.
macro_rules! constant_statement {
    ($statement:ty, $id:ty, $($sql:literal $($($field:ident).+: $type:ty)?),+ $(,)?) => {
        impl diesel::query_builder::QueryFragment<diesel::pg::Pg> for $statement {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>,
            ) -> diesel::QueryResult<()> {
                $(
                    out.push_sql($sql);
                    $(out.push_bind_param::<$type, _>(&self.$($field).+)?;)?
                )+
                Ok(())
            }
        }

        impl diesel::query_builder::QueryId for $statement {
            type QueryId = $id;
            const HAS_STATIC_QUERY_ID: bool = true;
        }
    };
}

pub(super) use constant_statement;
