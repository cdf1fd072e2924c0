//! Starts the function table at a height that makes it enormous: a table is the one resource that Rust code cannot grow by
//! itself.

fn main() {
    if std::env::var("TARGET").is_ok_and(|target| target.starts_with("wasm32")) {
        println!("cargo::rustc-link-arg-cdylib=--table-base=9000000");
    }
}
