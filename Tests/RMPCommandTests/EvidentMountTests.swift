// SPDX-License-Identifier: Apache-2.0
// Which calls are started in the background without being parsed first.

import Testing

@testable import RMPCommand

@Suite struct EvidentMountTests {
    @Test(arguments: [
        ["mount", "/m"], ["mount", "--cpus", "4", "--memory=2T", "-o", "ro,mode=755", "m"], ["mount", "/m", "/n"],
        ["mount", "--cpus", "many", "/m"], ["mount", "--engine", "kernel", "--allow-reenable", "/m"],
    ])
    func theOneThatServesParses(words: [String]) {
        #expect(EvidentMount.isOne(words))
    }

    /// Whatever could mean the foreground, a text or another command is parsed by the first process.
    @Test(arguments: [
        [], ["mount"], ["unmount", "/m"], ["mount", "-f", "/m"], ["mount", "--foreground", "/m"],
        ["mount", "--help"], ["mount", "-h"], ["mount", "--version"], ["mount", "--cpus", "-f", "/m"],
        ["mount", "-of", "/m"], ["mount", "-fo", "ro", "/m"], ["mount", "--", "-f"], ["mount", "-", "/m"],
        ["mount", "--\(BackgroundProcess.flag)=1", "/m"], ["mount", "--nonsense", "/m"], ["--help", "mount"],
        ["mount", "--generate-completion-script", "bash"], ["mount", "--experimental-dump-help"],
    ])
    func everythingElseIsParsedFirst(words: [String]) {
        #expect(!EvidentMount.isOne(words))
    }

    /// Wrong arguments give the same message as when they are parsed at once.
    @Test func theSameMessageEitherWay() throws {
        for wrong in [["--cpus", "0"], ["--memory", "1M"], ["-o", "wrong"], ["--pace", "slow"]] {
            let quick = try Program.run(["mount"] + wrong + ["/x"])
            let parsed = try Program.run(["mount", "--foreground"] + wrong + ["/x"])
            #expect(quick.status == 64 && parsed.status == 64)
            #expect(quick.errors == parsed.errors && quick.output.isEmpty)
        }
    }
}
