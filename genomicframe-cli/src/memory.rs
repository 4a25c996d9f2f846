//! What the program asks of its allocator.

/// Keeps memory that batches have left for those that follow.
///
/// glibc gives it back to the system whenever the top of a heap is free, which it is between two batches: all of their pages
/// are cleared by the kernel again for the next one. That is a tenth of the time of writing text (docs/decisions/0016).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub fn keep() {
    const LARGE: libc::c_int = 32 << 20;
    // SAFETY: mallopt only sets numbers of the allocator's own, and no other thread runs yet. Where it refuses, nothing
    // changes.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 8 * LARGE);
    }
}

/// Other allocators decide for themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep() {}
