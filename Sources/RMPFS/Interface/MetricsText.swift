// SPDX-License-Identifier: Apache-2.0
// Prometheus' text format: one metric after the other, each with its help, its type and its values.

/// A metric without its values.
struct Metric: Sendable {
    /// What kind of number it is.
    enum Kind: Sendable {
        case gauge
        case counter
        case histogram
    }

    let name: StaticString
    let kind: Kind
    let help: StaticString

    init(_ name: StaticString, _ kind: Kind, _ help: StaticString) {
        (self.name, self.kind, self.help) = (name, kind, help)
    }
}

extension TextBuffer {
    /// Writes `# HELP` and `# TYPE` of a metric.
    mutating func append(headOf metric: Metric) {
        append("# HELP ")
        append(metric.name)
        append(0x20)
        append(metric.help)
        append("\n# TYPE ")
        append(metric.name)
        switch metric.kind {
        case .gauge: append(" gauge\n")
        case .counter: append(" counter\n")
        case .histogram: append(" histogram\n")
        }
    }

    /// Writes a metric's value under a label.
    mutating func append(
        _ metric: Metric,
        _ label: (name: StaticString, value: StaticString),
        _ number: UInt64
    ) {
        append(metric.name)
        append("{")
        append(label.name)
        append("=\"")
        append(label.value)
        append("\"} ")
        append(decimal: number)
        append(0x0A)
    }

    /// Writes a metric that is a single number.
    mutating func append(single metric: Metric, _ number: UInt64) {
        append(headOf: metric)
        append(metric.name)
        append(0x20)
        append(decimal: number)
        append(0x0A)
    }

    /// Writes a metric that is a duration or a moment.
    mutating func append(seconds metric: Metric, _ nanoseconds: UInt64) {
        append(headOf: metric)
        append(metric.name)
        append(0x20)
        append(seconds: nanoseconds)
        append(0x0A)
    }

    /// Writes a histogram of durations.
    /// - Parameters:
    ///   - limits: the upper limits of the buckets in ns, ascending.
    ///   - counts: how many are in each bucket alone; one more than there are limits.
    ///   - sum: the sum of all in ns.
    mutating func append(histogram metric: Metric, limits: [UInt64], counts: [UInt64], sum: UInt64) {
        append(headOf: metric)
        var total: UInt64 = 0
        for (index, count) in counts.enumerated() {
            total += count
            append(metric.name)
            append("_bucket{le=\"")
            if index < limits.count { append(limit: limits[index]) } else { append("+Inf") }
            append("\"} ")
            append(decimal: total)
            append(0x0A)
        }
        append(metric.name)
        append("_sum ")
        append(seconds: sum)
        append(0x0A)
        append(metric.name)
        append("_count ")
        append(decimal: total)
        append(0x0A)
    }

    /// Nanoseconds as seconds in as few digits as they need: the label of a bucket is a text.
    private mutating func append(limit nanoseconds: UInt64) {
        append(decimal: nanoseconds / 1_000_000_000)
        var rest = nanoseconds % 1_000_000_000
        if rest > 0 { append(".") }
        var unit: UInt64 = 100_000_000
        while rest > 0 {
            append(decimal: rest / unit)
            rest %= unit
            unit /= 10
        }
    }

    /// Nanoseconds as seconds with nine decimals.
    private mutating func append(seconds nanoseconds: UInt64) {
        append(decimal: nanoseconds / 1_000_000_000)
        append(".")
        var unit: UInt64 = 100_000_000
        while unit > 0 {
            append(decimal: nanoseconds / unit % 10)
            unit /= 10
        }
    }
}
