//! The only SQL: schema, migrations, compare-and-set transitions, operation log.
