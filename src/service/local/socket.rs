//! The socket in the data folder.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Name of the socket in a data folder.
pub const SOCKET: &str = "snapshots.sock";
/// Its name until others may connect.
const SOCKET_NEW: &str = "snapshots.sock.new";
/// Longest path of a socket, in bytes, that every system takes: `sun_path` has 104 or 108
/// bytes, the last of which is zero.
const PATH_BYTES_MAX: usize = 103;

/// A path that is short enough for the address of a socket.
struct Address {
    path: PathBuf,
    /// The open folder that a path which was too long goes through.
    _folder: Option<File>,
}

impl Address {
    fn of(folder: &Path, name: &str) -> io::Result<Self> {
        let path = folder.join(name);
        if path.as_os_str().len() <= PATH_BYTES_MAX {
            return Ok(Self { path, _folder: None });
        }
        let folder = File::open(folder)?;
        let through = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
        if !through.exists() {
            let why = "its path is too long for a socket on this system; use a folder with a shorter path";
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, why));
        }
        Ok(Self { path: through.join(name), _folder: Some(folder) })
    }
}

/// The effective user id of this process.
pub(super) fn own_uid() -> io::Result<u32> {
    // Both ends of the pair belong to this process.
    Ok(UnixStream::pair()?.0.peer_cred()?.uid())
}

/// Makes the socket, for its owner alone, and replaces one that a killed process left. The
/// caller has the folder's lock.
pub(super) fn listen(folder: &Path) -> io::Result<UnixListener> {
    let new = folder.join(SOCKET_NEW);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(Address::of(folder, SOCKET_NEW)?.path)?;
    // Until here the socket has the mode that the umask leaves. The other end's user is checked
    // in any case.
    fs::set_permissions(&new, Permissions::from_mode(0o600))?;
    fs::rename(&new, folder.join(SOCKET))?;
    Ok(listener)
}

/// Removes the socket.
pub(super) fn remove(folder: &Path) {
    // One that is left behind is replaced by the next server.
    let _ = fs::remove_file(folder.join(SOCKET));
}

/// Connects to the process that has the folder open.
pub(super) async fn connect(folder: &Path) -> io::Result<UnixStream> {
    let address = Address::of(folder, SOCKET)?;
    UnixStream::connect(&address.path).await
}
