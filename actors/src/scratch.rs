//! Memory for what is being encoded, kept from one time to the next: encodings begin small and grow, so each would be allocated and
//! moved several times over; this way it is allocated once, at its length.

use std::cell::Cell;

/// Larger memory is given back.
const KEPT_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What `write` appends to the vector that it is given. It may itself call this.
pub fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut scratch = SCRATCH.take();
    scratch.clear();
    write(&mut scratch);
    let bytes = scratch.as_slice().to_vec();
    if scratch.capacity() <= KEPT_BYTES_MAX {
        SCRATCH.set(scratch);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_inside_and_afterwards_stays_apart() {
        let outer = written(|outer| {
            outer.push(1);
            outer.extend(written(|inner| inner.extend([7; KEPT_BYTES_MAX + 1])));
            outer.push(2);
        });
        assert_eq!((outer.len(), outer.first(), outer.last()), (KEPT_BYTES_MAX + 3, Some(&1), Some(&2)));
        assert_eq!(written(|bytes| bytes.push(3)), [3]);
    }
}
