// SPDX-License-Identifier: Apache-2.0
// Swift source for steps, so that a failing sequence can be pasted into a test.

@testable import RMPModel

/// Swift source for values, by reflection: a new command needs nothing here.
enum Literal {
    /// Types whose initializer takes the only field without a label.
    private static let unlabelled: [Any.Type] = [SPA.self, GPA.self, PFN.self, GuestID.self]

    /// The name of an enumeration's case.
    static func caseName(_ value: Any) -> String {
        Mirror(reflecting: value).children.first?.label ?? String(describing: value)
    }

    /// A whole sequence as an array literal.
    static func of(_ steps: [Step]) -> String {
        let lines = steps.map { step in
            let after = step.after == 0 ? "" : "after: \(number(step.after)), "
            return "    Step(\(after)\(of(step.action))),\n"
        }
        return "[\n\(lines.joined())]"
    }

    static func of(_ value: Any) -> String {
        if let range = value as? Range<UInt64> { return "\(number(range.lowerBound))..<\(number(range.upperBound))" }
        if let range = value as? Range<GPA> { return of(range.raw) }
        if let range = value as? Range<PFN> { return of(range.raw) }
        if let range = value as? Range<SPA> { return of(range.raw) }
        if let name = value as? GuestName { return text(name.bytes) }
        if let cpus = value as? CPUSet {
            return "CPUSet(\((0..<cpus.limit).filter { cpus.contains($0) }), limit: \(cpus.limit))"
        }
        if let value = value as? UInt64 { return number(value) }
        if let value = value as? UInt32 { return number(UInt64(value)) }
        let mirror = Mirror(reflecting: value)
        switch mirror.displayStyle {
        case .enum:
            guard let payload = mirror.children.first else { return ".\(caseName(value))" }
            let inner = Mirror(reflecting: payload.value)
            let arguments = inner.displayStyle == .tuple ? fields(inner) : of(payload.value)
            return ".\(payload.label ?? "")(\(arguments))"
        case .optional:
            return mirror.children.first.map { of($0.value) } ?? "nil"
        case .collection:
            return "[\(mirror.children.map { of($0.value) }.joined(separator: ", "))]"
        case .struct where !mirror.children.isEmpty:
            let type = type(of: value)
            if unlabelled.contains(where: { $0 == type }), let only = mirror.children.first {
                return "\(type)(\(of(only.value)))"
            }
            return "\(type)(\(fields(mirror)))"
        default:
            return "\(value)"
        }
    }

    private static func fields(_ mirror: Mirror) -> String {
        mirror.children.map { child in
            guard let label = child.label, !label.hasPrefix(".") else { return of(child.value) }
            return "\(label): \(of(child.value))"
        }.joined(separator: ", ")
    }

    private static func number(_ value: UInt64) -> String {
        value < 4096 ? "\(value)" : "0x\(String(value, radix: 16))"
    }

    private static func text(_ bytes: [UInt8]) -> String {
        let isPlain = bytes.allSatisfy { (0x20..<0x7f).contains($0) && $0 != 0x22 && $0 != 0x5c }
        return isPlain ? "\"\(String(decoding: bytes, as: UTF8.self))\"" : "GuestName(bytes: \(bytes))"
    }
}
