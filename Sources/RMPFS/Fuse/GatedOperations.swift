// SPDX-License-Identifier: Apache-2.0
// The operations that faults can strike, each behind the gate. A delayed one keeps copies of its request's data.

import CFuse
import Glibc

func gatedLookup(_ request: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?) {
    guard let strike = FaultGate.strike(request, .lookup, parent, name) else { return lookup(request, parent, name) }
    let kept = KeptName(name)
    strike.carryOut(request) { request in kept.withPointer { lookup(request, parent, $0) } }
}

func gatedMakeFolder(_ request: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?, _ mode: mode_t) {
    guard let strike = FaultGate.strike(request, .makeFolder, parent, name) else {
        return makeFolder(request, parent, name, mode)
    }
    let kept = KeptName(name)
    strike.carryOut(request) { request in kept.withPointer { makeFolder(request, parent, $0, mode) } }
}

func gatedRemoveFolder(_ request: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?) {
    guard let strike = FaultGate.strike(request, .removeFolder, parent, name) else {
        return removeFolder(request, parent, name)
    }
    let kept = KeptName(name)
    strike.carryOut(request) { request in kept.withPointer { removeFolder(request, parent, $0) } }
}

func gatedGetAttributes(_ request: fuse_req_t?, _ id: fuse_ino_t, _ info: UnsafeMutablePointer<fuse_file_info>?) {
    guard let strike = FaultGate.strike(request, .attributes, id) else { return getAttributes(request, id, info) }
    let kept = KeptInfo(info)
    strike.carryOut(request) { request in kept.withPointer { getAttributes(request, id, $0) } }
}

func gatedOpen(_ request: fuse_req_t?, _ id: fuse_ino_t, _ info: UnsafeMutablePointer<fuse_file_info>?) {
    guard let strike = FaultGate.strike(request, .open, id) else { return open(request, id, info) }
    let kept = KeptInfo(info)
    strike.carryOut(request) { request in kept.withPointer { open(request, id, $0) } }
}

func gatedRead(
    _ request: fuse_req_t?,
    _ id: fuse_ino_t,
    _ size: Int,
    _ offset: off_t,
    _ info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let strike = FaultGate.strike(request, .read, id) else { return read(request, id, size, offset, info) }
    let kept = KeptInfo(info)
    strike.carryOut(request) { request in
        kept.withPointer { read(request, id, strike.limited(size), offset, $0) }
    }
}

func gatedWrite(
    _ request: fuse_req_t?,
    _ id: fuse_ino_t,
    _ bytes: UnsafePointer<CChar>?,
    _ size: Int,
    _ offset: off_t,
    _ info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let strike = FaultGate.strike(request, .write, id) else {
        return write(request, id, bytes, size, offset, info)
    }
    let kept = KeptInfo(info)
    let text = Array(UnsafeBufferPointer(start: bytes, count: size))
    strike.carryOut(request) { request in
        kept.withPointer { info in
            text.withUnsafeBufferPointer { write(request, id, $0.baseAddress, size, offset, info) }
        }
    }
}

func gatedReadFolder(
    _ request: fuse_req_t?,
    _ id: fuse_ino_t,
    _ size: Int,
    _ offset: off_t,
    _ info: UnsafeMutablePointer<fuse_file_info>?
) {
    gate(readFolder, request, id, size, offset, info)
}

func gatedReadFolderPlus(
    _ request: fuse_req_t?,
    _ id: fuse_ino_t,
    _ size: Int,
    _ offset: off_t,
    _ info: UnsafeMutablePointer<fuse_file_info>?
) {
    gate(readFolderPlus, request, id, size, offset, info)
}

/// A list, with attributes or without.
private func gate(
    _ list:
        @escaping @Sendable (fuse_req_t?, fuse_ino_t, Int, off_t, UnsafeMutablePointer<fuse_file_info>?) -> Void,
    _ request: fuse_req_t?,
    _ id: fuse_ino_t,
    _ size: Int,
    _ offset: off_t,
    _ info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let strike = FaultGate.strike(request, .list, id, isFirst: offset == 0) else {
        return list(request, id, size, offset, info)
    }
    let kept = KeptInfo(info)
    strike.carryOut(request) { request in kept.withPointer { list(request, id, size, offset, $0) } }
}
