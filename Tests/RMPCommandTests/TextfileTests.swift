// SPDX-License-Identifier: Apache-2.0
// What becomes of a mount's metrics in a file for node_exporter, whatever they are.

import Glibc
import RMPFS
import Testing

@testable import RMPCommand

@Suite struct TextfileTests {
    @Test func everySampleHasTheMount() {
        let metrics = """
            # HELP rmpopt_regions Regions.
            # TYPE rmpopt_regions gauge
            rmpopt_regions 8
            rmpopt_pages{owner="guest"} 5

            """
        let text = Textfile(#"/a"b\c"#, Array(metrics.utf8), "").text
        #expect(
            text == #"""
                # HELP rmpopt_up Whether the mount answers and gives metrics: 1 or 0.
                # TYPE rmpopt_up gauge
                rmpopt_up{mount="/a\"b\\c"} 1
                # HELP rmpopt_regions Regions.
                # TYPE rmpopt_regions gauge
                rmpopt_regions{mount="/a\"b\\c"} 8
                rmpopt_pages{mount="/a\"b\\c",owner="guest"} 5

                """#
        )
    }

    @Test func metricsOfOthersStayOut() {
        let metrics = """
            # HELP node_load1 Load.
            # TYPE node_load1 gauge
            node_load1 0
            up{job="node"} 0
            # a comment
            rmpopt_regions 8

            """
        let text = Textfile("/m", Array(metrics.utf8), "").text
        #expect(text.split(separator: "\n").dropFirst(3) == ["rmpopt_regions{mount=\"/m\"} 8"])
    }

    @Test func filesWithoutAnEndEnd() {
        #expect(SystemFiles.contents(of: "/dev/zero", limit: 1 << 20) == nil)
        #expect(errno == EFBIG)
    }
}
