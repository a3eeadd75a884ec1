// SPDX-License-Identifier: Apache-2.0
// A number of debugfs, as made by debugfs_create_u64(): read in one go, not seekable.

/// A file of fs/debugfs that shows one number (fs/libfs.c, simple_attr_open with nonseekable_open).
///
/// The number is sampled at each read at position 0 and kept for the following reads; lseek and pread are ESPIPE;
/// without a set method each write is EACCES.
///
/// Unchecked, as ``Node`` says: its own state is constant.
public final class NumberFile: File, @unchecked Sendable {
    fileprivate let value: @Sendable () throws(Errno) -> UInt64

    /// A read-only number, mode 0444.
    public init(owner: Owner, value: @escaping @Sendable () throws(Errno) -> UInt64) {
        self.value = value
        super.init(rules: .debugfs, mode: 0o444, owner: owner)
    }

    override var isSeekable: Bool { false }

    override func makeOpenFile(_ request: OpenRequest) throws(Errno) -> OpenFile { OpenNumber(self) }
}

/// An open number: its text since the last read at position 0.
///
/// Unchecked, as ``OpenFile`` says: its state is behind one `Lock`.
private final class OpenNumber: OpenFile, @unchecked Sendable {
    private let number: NumberFile
    private let state = Lock<Snapshot?>(nil)

    init(_ number: NumberFile) {
        self.number = number
        super.init(number)
    }

    override func read(at offset: UInt64, size: Int) throws(Errno) -> TextSlice {
        try state.withPatientLock { held throws(Errno) in
            if offset == 0 || held == nil {
                let value = try number.value()
                let snapshot = Snapshot.fresh(in: &held, capacity: 24)
                snapshot.text.append(decimal: value)
                snapshot.text.append(UInt8(ascii: "\n"))
            }
            guard let snapshot = held else { return .empty }
            return TextSlice(of: snapshot, offset: offset, size: size)
        }
    }

    override func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(Errno) -> Int {
        throw .accessDenied
    }
}
