// SPDX-License-Identifier: Apache-2.0
// Cached texts: never from another version, and never more than the limit.

import Testing

@testable import RMPFS

struct RenderingCacheTests {
    private static func rendering(_ count: Int) throws(Errno) -> Rendering {
        try Rendering { text, ends throws(Errno) in
            for _ in 0..<count { text.append(UInt8(ascii: "x")) }
            ends.append(text.count)
        }
    }

    @Test func anotherVersionIsNotGivenOut() throws {
        var cache = RenderingCache(limit: 1000)
        let kept = try Self.rendering(10)
        cache.keep(kept, 1, version: 7)
        #expect(cache.rendering(1, version: 7) === kept)
        #expect(cache.rendering(1, version: 8) == nil)
        #expect(cache.rendering(2, version: 7) == nil)
        cache.keep(try Self.rendering(10), 2, version: 8)
        #expect(cache.rendering(1, version: 7) == nil)
    }

    @Test func theOldestGoWhenThereIsNoRoom() throws {
        var cache = RenderingCache(limit: 1000)
        for key in 0..<5 { cache.keep(try Self.rendering(300), key, version: 1) }
        #expect((0..<5).map { cache.rendering($0, version: 1) != nil } == [false, false, true, true, true])
        cache.keep(try Self.rendering(2000), 9, version: 1)
        #expect(cache.rendering(9, version: 1) == nil)
    }
}

struct LongWorkTests {
    private final class Thread: RequestThread {
        var announced = 0

        override init() {}
        override func willTakeLong() { announced += 1 }
    }

    @Test func itIsToldToTheThreadThatRunsIt() {
        let thread = Thread()
        LongWork.announce()
        #expect(thread.announced == 0)
        LongWork.withThread(thread) { LongWork.announce() }
        #expect(thread.announced == 1)
        LongWork.announce()
        #expect(thread.announced == 1)
    }

    /// A reader past the end: the text has become shorter since its last read.
    @Test(arguments: [0, 1, 3]) func recordsBehindTheEnd(_ count: Int) throws {
        let rendering = try Rendering { text, ends throws(Errno) in
            for _ in 0..<count {
                text.append("line\n")
                ends.append(text.count)
            }
        }
        for first in [count, count + 1, count + 5000] {
            #expect(rendering.start(of: first) == rendering.snapshot.text.count)
            #expect(rendering.records(from: first).isEmpty)
        }
    }
}
