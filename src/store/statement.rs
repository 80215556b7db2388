//! Statements whose text never changes, so that each is prepared once per connection: on PostgreSQL rows travel as arrays.

/// Declares a statement whose text is always the same, so that it is prepared once per connection. It is PostgreSQL's, or that
/// of the backend that is named first.
macro_rules! constant_statement {
    (for $backend:ty: $statement:ty, $id:ty, $($sql:literal $($($field:ident).+: $type:ty)?),+ $(,)?) => {
        impl diesel::query_builder::QueryFragment<$backend> for $statement {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, $backend>,
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
    ($($rest:tt)+) => {
        $crate::store::statement::constant_statement!(for diesel::pg::Pg: $($rest)+);
    };
}

pub(super) use constant_statement;
