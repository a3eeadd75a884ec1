// SPDX-License-Identifier: Apache-2.0
// Turns the YAML parser's errors into the form of all other errors.

import Yams

enum YAMLFault {
    /// The error in our form.
    static func fault(_ error: any Error, _ text: String) -> Fault {
        guard let error = error as? YamlError else { return Fault(nil, nil, "cannot be read as YAML: \(error)") }
        switch error {
        case .parser(_, let problem, let mark, _) where problem.hasPrefix("Maximum nesting"):
            let deepest = Document.deepest
            return Fault(mark.line, nil, "more than \(deepest) levels of lists and mappings; no key needs as many")
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _):
            let told = context.map { " (\(trimmed($0.text)) in line \($0.mark.line))" } ?? ""
            return Fault(mark.line, nil, "this is not YAML: \(problem)\(told); see the line and the one above it")
        case .composer(let context, let problem, let mark, _):
            if context != nil {
                return Fault(mark.line, nil, "a second document begins here; split the file")
            }
            return Fault(mark.line, nil, "\(problem); anchors and aliases are not supported, write the value itself")
        case .reader(let problem, let offset, _, _):
            let line = offset.map { text.prefix($0).count { $0.isNewline } + 1 }
            return Fault(line, nil, "\(problem); save the file as plain text")
        case .duplicatedKeysInMapping(let keys, let context):
            let key = shown(keys.first ?? "")
            return Fault(context.mark.line, key, "the key appears twice in one mapping; keep one of them")
        default:
            return Fault(nil, nil, "cannot be read as YAML; check it with a YAML tool")
        }
    }

    private static func trimmed(_ text: String) -> Substring {
        var text = text[...]
        while text.last == " " { text.removeLast() }
        return text
    }
}
