// SPDX-License-Identifier: Apache-2.0
// Finds the key that was meant by one that does not exist.

enum Spelling {
    /// The word that differs from `text` by the fewest letters, if they are few; nil otherwise.
    static func nearest(to text: String, among words: [String]) -> String? {
        // Whatever is much longer than every key differs by more than is looked for.
        guard text.utf8.count <= 64 else { return nil }
        let ranked = words.map { (word: $0, distance: distance(Array(text.lowercased().utf8), Array($0.utf8))) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= max(1, best.word.utf8.count / 3) ? best.word : nil
    }

    /// How many letters to insert, remove or replace to make one word of the other.
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var row = Array(0...right.count)
        for (index, letter) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in right.indices {
                let replaced = diagonal + (right[column] == letter ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, row[column] + 1, diagonal + 1)
            }
        }
        return row[right.count]
    }
}
