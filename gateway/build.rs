//! Builds the binary again when the pages were built again. It never runs npm: `make` does.

fn main() {
    println!("cargo:rerun-if-changed=web/dist");
}
