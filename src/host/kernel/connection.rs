//! The five sockets that a client's connection file asks for.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use jupyter_protocol::{ConnectionInfo, Transport};
use jupyter_zmq_client::{
    KernelControlConnection, KernelHeartbeatConnection, KernelIoPubXPubConnection,
    KernelShellConnection, KernelStdinConnection, create_kernel_control_connection,
    create_kernel_heartbeat_connection, create_kernel_iopub_xpub_connection,
    create_kernel_shell_connection, create_kernel_stdin_connection,
};

use crate::base::{Error, Result, files};

/// Reads a connection file.
///
/// # Errors
/// It is not there, is no connection file, or asks for signatures that are not HMAC-SHA256.
pub fn read(file: &Path) -> Result<ConnectionInfo> {
    let doing = format!("reading the connection file {}", file.display());
    let advice = "Jupyter writes this file; to start the kernel by hand, use jupyter console";
    let info: ConnectionInfo = serde_json::from_str(&files::read_text(file)?)
        .map_err(|e| Error::io(&doing, e).advice(advice))?;
    if !info.key.is_empty() && info.signature_scheme != "hmac-sha256" {
        let scheme = format!("{:?}", info.signature_scheme);
        return Err(Error::new(doing).expected("signatures of hmac-sha256").found(scheme));
    }
    Ok(info)
}

/// The sockets, bound.
pub struct Sockets {
    pub shell: KernelShellConnection,
    pub control: KernelControlConnection,
    pub stdin: KernelStdinConnection,
    pub iopub: KernelIoPubXPubConnection,
    pub heartbeat: KernelHeartbeatConnection,
}

impl Sockets {
    /// Binds all of them.
    ///
    /// # Errors
    /// An address that is taken or is none.
    pub async fn bind(info: &ConnectionInfo, session: &str) -> Result<Self> {
        release(info);
        let refused = |e: jupyter_zmq_client::RuntimeError| {
            Error::io(format!("listening at {}", info.shell_url()), e)
                .advice("Another kernel may hold these ports: let Jupyter write a new file")
        };
        // First what publishes, last what takes requests: a client that is answered hears, too.
        Ok(Self {
            iopub: create_kernel_iopub_xpub_connection(info, session).await.map_err(refused)?,
            heartbeat: create_kernel_heartbeat_connection(info).await.map_err(refused)?,
            stdin: create_kernel_stdin_connection(info, session).await.map_err(refused)?,
            control: create_kernel_control_connection(info, session).await.map_err(refused)?,
            shell: create_kernel_shell_connection(info, session).await.map_err(refused)?,
        })
    }
}

/// Removes the sockets that an earlier kernel of the same connection left in the file system.
fn release(info: &ConnectionInfo) {
    if info.transport != Transport::IPC {
        return;
    }
    for port in [info.shell_port, info.control_port, info.stdin_port, info.iopub_port, info.hb_port]
    {
        let path = format!("{}-{port}", info.ip);
        if std::fs::symlink_metadata(&path).is_ok_and(|m| m.file_type().is_socket()) {
            // What cannot be removed is told by the bind that follows.
            std::fs::remove_file(&path).ok();
        }
    }
}
