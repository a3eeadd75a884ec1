// SPDX-License-Identifier: Apache-2.0
// Runs that differ in their seed alone belong together: a reader wants their mean, and how far they lie apart.

/// The rows of a table that differ in their seed alone.
struct ResultGroup {
    /// The values that all of them share, by the names of the columns; empty if nothing was varied.
    let values: [(name: String, value: String)]
    /// The rows, by their place in the table.
    let rows: [Int]

    /// The groups, in the order of their first rows.
    static func all(of table: ResultTable) -> [ResultGroup] {
        var places: [[String]: Int] = [:]
        var groups: [(values: [String], rows: [Int])] = []
        let keys = table.keys
        for (index, row) in table.rows.enumerated() {
            let values = Array(row.prefix(keys.count))
            if let place = places[values] {
                groups[place].rows.append(index)
            } else {
                places[values] = groups.count
                groups.append((values, [index]))
            }
        }
        return groups.map { ResultGroup(values: Array(zip(keys, $0.values)), rows: $0.rows) }
    }

    /// What all but the last key say: the groups that share it stand below one heading.
    var heading: String { values.dropLast().map { "\($0.name) \($0.value)" }.joined(separator: ", ") }
    /// What the last key says.
    var label: String { values.last?.value ?? "this run" }
    /// All of it in a line.
    var title: String { values.isEmpty ? label : values.map { "\($0.name) \($0.value)" }.joined(separator: ", ") }

    /// Mean, least and largest value of a column over the rows that have one; nil if none has.
    func spread(_ column: [String]) -> (mean: Double, least: Double, most: Double)? {
        let numbers = rows.compactMap { Double(column[$0]) }
        guard let least = numbers.min(), let most = numbers.max() else { return nil }
        return (numbers.reduce(0, +) / Double(numbers.count), least, most)
    }
}
