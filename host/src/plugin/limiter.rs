//! What a store may use, refused with an error of our own that names the limit. Memory and tables are
//! summed over all instances inside a component, so that a component made of many cannot have many times as much.

use wasmtime::ResourceLimiter;

/// A limit was reached. The name is its configuration key.
#[derive(Debug, thiserror::Error)]
#[error("{what}, and `limits.{limit}` allows {allowed}")]
pub(crate) struct LimitHit {
    pub(crate) limit: &'static str,
    pub(crate) what: String,
    pub(crate) allowed: String,
}

impl LimitHit {
    /// As an error that traps the guest: a guest over its limit gets no say in it.
    pub(crate) fn trap(
        limit: &'static str,
        what: impl Into<String>,
        allowed: impl Into<String>,
    ) -> wasmtime::Error {
        wasmtime::Error::new(Self {
            limit,
            what: what.into(),
            allowed: allowed.into(),
        })
    }
}

/// Core instances in one component. A Rust plugin has 3 and a Python one 16.
pub(crate) const INSTANCES: usize = 256;
/// Memories in one component. A plugin has one, an adapter may bring another.
const MEMORIES: usize = 16;
/// Tables in one component.
const TABLES: usize = 64;

/// Counts what one store uses.
pub(crate) struct Limiter {
    memory_limit: usize,
    memory: usize,
    elements_limit: usize,
    elements: usize,
}

impl Limiter {
    pub(crate) fn new(memory_limit: usize, elements_limit: usize) -> Self {
        Self {
            memory_limit,
            memory: 0,
            elements_limit,
            elements: 0,
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self.memory.saturating_add(desired.saturating_sub(current));
        if wanted > self.memory_limit {
            let what = format!("the plugin asked for {wanted} bytes of memory");
            return Err(LimitHit::trap(
                "memory",
                what,
                self.memory_limit.to_string(),
            ));
        }
        self.memory = wanted;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self
            .elements
            .saturating_add(desired.saturating_sub(current));
        if wanted > self.elements_limit {
            let what = format!("the plugin asked for {wanted} table elements");
            return Err(LimitHit::trap(
                "tables",
                what,
                self.elements_limit.to_string(),
            ));
        }
        self.elements = wanted;
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_summed() {
        let mut limiter = Limiter::new(300, 10);
        assert!(limiter.memory_growing(0, 200, None).is_ok());
        assert!(limiter.memory_growing(0, 100, None).is_ok());
        let error = limiter
            .memory_growing(100, 101, None)
            .expect_err("over the limit");
        let hit = error.downcast_ref::<LimitHit>().expect("our own error");
        assert_eq!(hit.limit, "memory");
        assert!(limiter.table_growing(0, 11, None).is_err());
    }
}
