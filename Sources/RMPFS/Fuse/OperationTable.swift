// SPDX-License-Identifier: Apache-2.0
// The table of FUSE operations that a session answers, and its reply to INIT.

import CFuse

/// Every request that rmpfs answers; libfuse answers the others with ENOSYS, which the kernel remembers for some
/// (FLUSH, GETXATTR, IOCTL, locks) and does not ask again.
/// - Parameter exact: see ``MountOptions/exact``.
func makeOperationTable(exact: Bool) -> fuse_lowlevel_ops {
    var table = fuse_lowlevel_ops()
    table.`init` = initialize
    table.lookup = gatedLookup
    table.forget = forget
    table.forget_multi = forgetMany
    table.getattr = gatedGetAttributes
    table.setattr = setAttributes
    if exact { table.getxattr = getAttribute }
    table.listxattr = listAttributes
    table.statfs = fileSystemStatus
    table.mkdir = gatedMakeFolder
    table.rmdir = gatedRemoveFolder
    table.unlink = unlink
    table.mknod = makeNode
    table.create = create
    table.symlink = symlink
    table.link = link
    table.rename = rename
    table.open = gatedOpen
    table.read = gatedRead
    table.write = gatedWrite
    table.lseek = seek
    table.fsync = synchronize
    table.poll = poll
    table.release = release
    table.opendir = openFolder
    table.readdir = gatedReadFolder
    table.readdirplus = gatedReadFolderPlus
    table.fsyncdir = synchronizeFolder
    table.releasedir = releaseFolder
    return table
}

private func initialize(_ userdata: UnsafeMutableRawPointer?, _ connection: UnsafeMutablePointer<fuse_conn_info>?) {
    guard let userdata, let connection else { return }
    // The kernel decides whether chown and write clear setuid bits, not we.
    connection.pointee.want &= ~UInt32(FUSE_CAP_HANDLE_KILLPRIV)
    Unmanaged<MountedTree>.fromOpaque(userdata).takeUnretainedValue().onInit()
}
