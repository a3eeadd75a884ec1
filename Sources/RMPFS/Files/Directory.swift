// SPDX-License-Identifier: Apache-2.0
// A folder: its children by name and in the order they came, and mkdir and rmdir of items where a group allows them.

import Synchronization

/// A folder of fs/configfs or fs/debugfs.
///
/// Rules (fs/configfs/dir.c, fs/libfs.c, and the recorded kernel): children are listed newest first; mkdir works only
/// in a group with item operations, ignores the mode and makes 0755; rmdir of an item always works; nothing else can be
/// made, removed or renamed by a client.
///
/// Unchecked, as ``Node`` says: what changes is behind a `Lock` or `Atomic`.
public final class Directory: Node, @unchecked Sendable {
    /// Makes the folder of a new item called `name` (1 to 255 bytes, any but `/` and NUL), or refuses it: the make_item
    /// of `struct configfs_group_operations`.
    public typealias MakeItem = @Sendable (_ name: [UInt8]) throws(Errno) -> Directory
    /// Drops what an item stands for, after a client's rmdir: drop_item. Cannot refuse.
    public typealias DropItem = @Sendable () -> Void

    /// Tells whether a child that comes and goes is there now: a number, which is another one each time it came back;
    /// nil while it is not.
    public typealias Presence = @Sendable () -> Int?

    /// A child under its name, as listings give it.
    struct Entry: Sendable {
        let name: [UInt8]
        let node: Node
        /// The number that listings give: the node's own, but for `..`.
        let inodeNumber: UInt64
        /// The name with the NUL behind it that C asks for.
        let terminatedName: [CChar]
        /// Grows from child to child: where the entry is in the order.
        fileprivate var ordinal: UInt64 = 0
        /// Whether the child is there now; nil for always.
        fileprivate let isThere: Presence?
        fileprivate var isThereNow: Bool { isThere.map { $0() != nil } ?? true }

        init(name: [UInt8], node: Node, inodeNumber: UInt64? = nil, isThere: Presence? = nil) {
            self.name = name
            self.node = node
            self.isThere = isThere
            self.inodeNumber = inodeNumber ?? node.inodeNumber
            terminatedName = name.map { CChar(bitPattern: $0) } + [0]
        }

        /// Whether this is `.` or `..`, which are listed and never looked up.
        var isDot: Bool { name == [0x2E] || name == [0x2E, 0x2E] }
    }

    private struct Children: Sendable {
        /// The oldest first, with growing ordinals.
        private(set) var inOrder: [Entry] = []
        private var byName: [[UInt8]: Entry] = [:]
        private(set) var folders: UInt32 = 0
        private var nextOrdinal: UInt64 = 0

        func node(_ name: [UInt8]) -> Node? {
            guard let entry = byName[name], entry.isThereNow else { return nil }
            return entry.node
        }

        /// How many folders are there now, those among them that come and go.
        var foldersNow: UInt32 {
            conditionalFolders == 0
                ? folders : UInt32(inOrder.count { $0.node is Directory && $0.isThereNow })
        }
        private(set) var conditionalFolders = 0

        mutating func insert(_ name: [UInt8], _ node: Node, isThere: Presence? = nil) {
            var entry = Entry(name: name, node: node, isThere: isThere)
            if isThere != nil && node is Directory { conditionalFolders += 1 }
            entry.ordinal = nextOrdinal
            nextOrdinal += 1
            inOrder.append(entry)
            byName[name] = entry
            if node is Directory { folders += 1 }
        }

        mutating func insertUnlisted(_ name: [UInt8], _ node: Node) { byName[name] = Entry(name: name, node: node) }

        mutating func remove(_ name: [UInt8]) {
            guard let entry = byName.removeValue(forKey: name) else { return }
            var (low, high) = (0, inOrder.count)
            while low < high {
                let middle = (low + high) / 2
                if inOrder[middle].ordinal < entry.ordinal { low = middle + 1 } else { high = middle }
            }
            inOrder.remove(at: low)
            inOrder.giveRoomBack()
            byName.giveRoomBack()
            if entry.node is Directory { folders -= 1 }
        }
    }

    /// What one change at a time holds for as long as it takes.
    private final class Changes: Sendable {
        let lock = Lock(())
    }

    /// Held while an item is made or dropped, which may take long: others find the children meanwhile. Groups have it.
    private let changes: Changes?
    private let children = Lock(Children())
    /// The number of the folder above, for `..`; its own for a root.
    fileprivate let parentNumber: Atomic<UInt64>
    /// Items that come and go without a client; nil where none do.
    private let followed = Lock<FollowedItems?>(nil)
    private let makeItem: MakeItem?
    private let dropItem: DropItem?

    /// An empty folder.
    /// - Parameters:
    ///   - makeItem: makes this a group in which clients may mkdir.
    ///   - dropItem: for the folder of an item, what its rmdir does. A new item of the same name is made after it has
    ///   returned.
    public init(
        rules: FileSystemRules,
        owner: Owner,
        mode: UInt32 = 0o755,
        makeItem: MakeItem? = nil,
        dropItem: DropItem? = nil
    ) {
        self.makeItem = makeItem
        self.dropItem = dropItem
        changes = makeItem == nil ? nil : Changes()
        parentNumber = Atomic(0)
        super.init(rules: rules, mode: mode, owner: owner)
    }

    /// Adds a child; a later one is listed before an earlier one. For building trees: the name must be free.
    public func add(_ name: String, _ node: Node) {
        node.place.withLock { $0 = NodePlace(folder: self, name: Array(name.utf8)) }
        children.withPatientLock { $0.insert(Array(name.utf8), node) }
        (node as? Directory)?.parentNumber.store(inodeNumber, ordering: .relaxed)
    }

    /// Adds an item as if a client had made it. The name must be free.
    func addItem(_ name: [UInt8], _ item: Directory) {
        item.markItem()
        item.place.withLock { $0 = NodePlace(folder: self, name: name) }
        for entry in item.entries() { entry.node.markPartOfItem() }
        item.parentNumber.store(inodeNumber, ordering: .relaxed)
        children.withPatientLock { $0.insert(name, item) }
    }

    /// Adds a child that comes and goes: it is found and listed while `isThere` gives a number, which is asked with the
    /// folder locked and must not look at the folder itself.
    public func add(_ name: String, _ node: Node, whileThere isThere: @escaping Presence) {
        node.markConditional(isThere)
        node.place.withLock { $0 = NodePlace(folder: self, name: Array(name.utf8)) }
        children.withPatientLock { $0.insert(Array(name.utf8), node, isThere: isThere) }
        (node as? Directory)?.parentNumber.store(inodeNumber, ordering: .relaxed)
    }

    /// Adds a file that is found by its name and is in no listing, for good: what reads whatever it finds must not
    /// come by it. For building trees: the name must be free.
    public func addUnlisted(_ name: String, _ node: Node) {
        node.place.withLock { $0 = NodePlace(folder: self, name: Array(name.utf8)) }
        children.withPatientLock { $0.insertUnlisted(Array(name.utf8), node) }
    }

    /// Adds children in the order of a table of attributes.
    public func add(_ nodes: KeyValuePairs<String, Node>) {
        for (name, node) in nodes { add(name, node) }
    }

    /// The file or folder at a path of names separated by `/`; for use without a mount.
    /// - Throws: ``Errno/noSuchFile``, ``Errno/notDirectory``.
    public func node(at path: String) throws(Errno) -> Node {
        var node: Node = self
        for name in path.utf8.split(separator: UInt8(ascii: "/")) {
            guard let folder = node as? Directory else { throw .notDirectory }
            node = try folder.child(named: Array(name))
        }
        return node
    }

    override var linkCount: UInt32 { 2 + children.withPatientLock { $0.foldersNow } }

    /// Not so while folders in it come and go by themselves, for they count as links.
    override var isFixed: Bool { super.isFixed && children.withPatientLock { $0.conditionalFolders == 0 } }

    /// The children, oldest first, as they are now.
    func entries() -> [Entry] {
        followItems()
        return children.withPatientLock { $0.inOrder.filter { $0.isThereNow } }
    }

    /// Finds a child.
    /// - Throws: ``Errno/nameTooLong`` above 255 bytes, ``Errno/noSuchFile``.
    func child(named name: [UInt8]) throws(Errno) -> Node {
        guard name.count <= FileLimits.name else { throw .nameTooLong }
        if isRemoved { throw .noSuchFile }
        followItems()
        guard let node = children.withPatientLock({ $0.node(name) }) else { throw .noSuchFile }
        return node
    }

    /// mkdir(2): makes an item where this is a group.
    ///
    /// - Throws: ``Errno/notPermitted`` in other folders, else what the group refuses with.
    @discardableResult
    public func makeItem(named name: [UInt8]) throws(Errno) -> Directory {
        guard name.count <= FileLimits.name else { throw .nameTooLong }
        if isRemoved { throw .noSuchFile }
        guard let makeItem, let changes else { throw .notPermitted }
        followItems()
        return try changes.lock.withPatientLock { _ throws(Errno) in
            if children.withPatientLock({ $0.node(name) }) != nil { throw .exists }
            let item = try makeItem(name)
            addItem(name, item)
            followed.withLock { $0?.noteMade(name) }
            touch()
            return item
        }
    }

    /// rmdir(2): removes an item of this group.
    /// - Returns: what was in it, of which stat(2) says something else from here on.
    /// - Throws: ``Errno/noSuchFile``, ``Errno/notDirectory``, and ``Errno/notPermitted`` for what no client made.
    @discardableResult
    public func removeItem(named name: [UInt8]) throws(Errno) -> [Node] {
        guard let changes else { throw try child(named: name) is Directory ? .notPermitted : .notDirectory }
        let parts = try changes.lock.withPatientLock { _ throws(Errno) in
            guard let node = children.withPatientLock({ $0.node(name) }) else { throw .noSuchFile }
            guard let item = node as? Directory else { throw .notDirectory }
            children.withPatientLock { $0.remove(name) }
            item.markRemoved()
            let parts = item.entries().map(\.node)
            for node in parts { node.markRemoved() }
            item.dropItem?()
            followed.withLock { $0?.noteRemoved(name) }
            // The folder itself may be known for long to somebody who had one of its files open.
            item.children.withPatientLock { $0 = Children() }
            return parts
        }
        touch()
        return parts
    }

    /// From now on there are also the items of somebody else, who makes and removes them without a client. For building
    /// trees, and only where clients can make items, too.
    func follow(_ items: FollowedItems) { followed.withLock { $0 = items } }

    /// Makes and removes what has come and gone since somebody last looked.
    private func followItems() {
        guard followed.withLock({ $0 != nil }), let changes else { return }
        changes.lock.withPatientLock { _ in
            let change = followed.withLock { $0?.update() }
            for name in change?.gone ?? [] {
                guard let item = children.withPatientLock({ $0.node(name) }) as? Directory else { continue }
                children.withPatientLock { $0.remove(name) }
                item.markRemoved()
                for entry in item.entries() { entry.node.markRemoved() }
            }
            for (name, number, item) in change?.new ?? [] {
                addItem(name, item)
                // Nobody tells the kernel when it goes, so it must not remember the name.
                item.markConditional { number }
            }
            if change?.isEmpty == false { touch() }
        }
    }

    /// unlink(2) of a child: never permitted.
    /// - Throws: ``Errno/noSuchFile``, ``Errno/isDirectory``, else ``Errno/notPermitted``.
    func unlink(_ name: [UInt8]) throws(Errno) {
        throw try child(named: name) is Directory ? .isDirectory : .notPermitted
    }
}

/// What one opendir(2) made: the listing, taken when reading starts at its first entry.
final class OpenDirectory: Sendable {
    private let directory: Directory
    private let listing = Lock<[Directory.Entry]>([])

    init(_ directory: Directory) {
        self.directory = directory
    }

    /// `.`, `..` and the children newest first, as they were when a reader last was at the first entry.
    func entries(fromStart: Bool) -> [Directory.Entry] {
        listing.withPatientLock { held in
            if fromStart {
                let above = directory.parentNumber.load(ordering: .relaxed)
                held = [
                    Directory.Entry(name: [0x2E], node: directory),
                    Directory.Entry(
                        name: [0x2E, 0x2E],
                        node: directory,
                        inodeNumber: above == 0 ? directory.inodeNumber : above
                    ),
                ]
                held.append(contentsOf: directory.entries().reversed())
            }
            return held
        }
    }
}
