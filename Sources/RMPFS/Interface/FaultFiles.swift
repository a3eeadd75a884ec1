// SPDX-License-Identifier: Apache-2.0
// The files of faults on demand, rmpsim/faults/NAME/: each folder is a fault, its files are the settings.

/// Builds `rmpsim/faults/`.
struct FaultFiles {
    let faults: FaultTable
    let owner: Owner

    /// The words of `operation`.
    private static let operations: KeyValuePairs<StaticString, FaultOperation> = [
        "any": .any, "open": .open, "read": .read, "write": .write, "lookup": .lookup, "getattr": .attributes,
        "readdir": .list, "mkdir": .makeFolder, "rmdir": .removeFolder, "pass": .work,
    ]

    func folder() -> Directory {
        let folder = Directory(
            rules: .configfs,
            owner: owner,
            makeItem: { [self] _ throws(Errno) in fault(try faults.add()) }
        )
        faults.protect(folder)
        return folder
    }

    private func fault(_ id: FaultTable.ID) -> Directory {
        let folder = Directory(rules: .configfs, owner: owner, dropItem: { [faults] in faults.remove(id) })
        folder.add([
            "path": setting(
                id,
                show: { text, rule in text.append(rule.pattern?.text ?? []) },
                store: { value, rule throws(Errno) in
                    rule.pattern = value.line.isEmpty ? nil : try GlobPattern(value.line)
                }
            ),
            "operation": setting(
                id,
                show: { text, rule in
                    for (word, operation) in Self.operations where operation == rule.operation { text.append(word) }
                },
                store: { value, rule throws(Errno) in
                    guard let known = Self.operations.first(where: { value.equals($0.key) }) else { throw .invalid }
                    rule.operation = known.value
                }
            ),
            "errno": setting(id, show: FaultValues.show(error:rule:), store: FaultValues.store(error:rule:)),
            "delay_ms": setting(
                id,
                show: { text, rule in text.append(decimal: UInt64(rule.delay)) },
                store: { value, rule throws(Errno) in rule.delay = try value.unsignedInt() }
            ),
            "short": setting(
                id,
                show: { text, rule in FaultValues.show(limit: rule.short.map { UInt64($0) }, in: &text) },
                store: { value, rule throws(Errno) in
                    rule.short = FaultValues.isNone(value) ? nil : try value.unsignedInt()
                }
            ),
            "count": setting(
                id,
                show: { text, rule in FaultValues.show(limit: rule.count, in: &text) },
                store: { value, rule throws(Errno) in
                    rule.count = FaultValues.isNone(value) ? nil : try value.unsignedLongLong()
                }
            ),
            "probability": setting(
                id,
                show: { text, rule in FaultValues.show(probability: rule.probability, in: &text) },
                store: { value, rule throws(Errno) in rule.probability = try FaultValues.probability(value.line) }
            ),
            "seed": setting(
                id,
                show: { text, rule in text.append(decimal: rule.seed) },
                store: { value, rule throws(Errno) in rule.seed = try value.unsignedLongLong() }
            ),
            "hits": setting(id, show: { text, rule in text.append(decimal: rule.hits) }, store: nil),
            "active": setting(
                id,
                show: { text, rule in text.append(decimal: rule.isActive ? 1 : 0) },
                store: { value, rule throws(Errno) in
                    let number = try value.unsignedInt()
                    guard number <= 1 else { throw .invalid }
                    rule.isActive = number == 1
                }
            ),
        ])
        return folder
    }

    /// One file of a fault: a value and a newline.
    private func setting(
        _ id: FaultTable.ID,
        show: @escaping @Sendable (inout TextBuffer, FaultRule) -> Void,
        store: (@Sendable (StoredText, inout FaultRule) throws(Errno) -> Void)?
    ) -> Attribute {
        let showRule: Attribute.Show = { [faults] text throws(Errno) in
            show(&text, try faults.rule(id))
            text.append(0x0A)
        }
        guard let store else { return Attribute(owner: owner, show: showRule, store: nil) }
        let storeRule: Attribute.Store = { [faults] value throws(Errno) in
            try faults.change(id) { rule throws(Errno) in try store(value, &rule) }
        }
        return Attribute(owner: owner, show: showRule, store: storeRule)
    }
}
