//! Clients that do not read what they are sent. ZeroMQ does not tell which of its peers that is, but
//! bytes wait in the socket of such a one.

use std::mem::{size_of, zeroed};

/// Ends the connections to a port of ours in which bytes wait, and says how many there were. To be
/// called when nothing could be sent for long: clients that live have taken all by then.
pub fn hang_up(port: u16) -> usize {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let sockets = entries.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    let stuck = sockets.filter(|s| port_of(*s) == Some(port) && waits(*s));
    // SAFETY: takes two numbers; what is no socket any more is an error.
    stuck.filter(|s| unsafe { libc::shutdown(*s, libc::SHUT_RDWR) } == 0).count()
}

/// The port at our end of a TCP socket.
fn port_of(socket: i32) -> Option<u16> {
    // SAFETY: a struct of numbers, which the call fills in.
    let mut address: libc::sockaddr_in6 = unsafe { zeroed() };
    let mut length = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
    // SAFETY: the call writes no more than the length that it is told.
    let said = unsafe { libc::getsockname(socket, (&raw mut address).cast(), &mut length) };
    let internet = [libc::AF_INET, libc::AF_INET6].contains(&i32::from(address.sin6_family));
    // The port stands at the same place in the addresses of both versions.
    (said == 0 && internet).then(|| u16::from_be(address.sin6_port))
}

/// Whether bytes wait to be taken at the other end.
fn waits(socket: i32) -> bool {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the call writes one number; a socket that listens is an error.
    (unsafe { libc::ioctl(socket, libc::TIOCOUTQ, &mut bytes) }) == 0 && bytes > 0
}
