//! Devices, as far as a machine without a GPU can tell. `benches/gpu.sh` checks the rest where there is one.

use spatia::base::device;

#[test]
fn cuda_where_there_is_none_is_refused_and_has_no_memory() {
    if let Ok(n) = device::cuda() {
        let (free, total) = device::room(0).unwrap();
        assert!(n > 0 && free <= total && total > 1_000_000_000, "{n} devices, {free} of {total}");
        assert_eq!(device::room(n), None);
        return;
    }
    let said = device::resolve("cuda").unwrap_err().to_string();
    assert!(said.contains("an NVIDIA driver") && said.contains("--device cpu"), "{said}");
    assert_eq!(device::room(0), None);
}

/// `device::room` asks for these by name.
#[test]
fn libtorch_brings_the_runtime_of_cuda_along() {
    let process = libloading::os::unix::Library::this();
    for name in ["cudaGetDevice", "cudaSetDevice", "cudaMemGetInfo"] {
        // SAFETY: only looked up, never called.
        let found = unsafe { process.get::<*const ()>(name.as_bytes()) };
        assert!(found.is_ok(), "{name}");
    }
}
