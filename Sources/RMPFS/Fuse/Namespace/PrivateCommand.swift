// SPDX-License-Identifier: Apache-2.0
// The first process of a private process namespace: it shows what the host serves and runs the command. When it ends,
// so does everything in the namespace.

import Glibc
import Synchronization

/// Runs a command on a host that only the command sees.
///
/// It is process 1 of its process namespace, so the kernel ends all others in there with it. It has one line to the
/// process that started it: each byte is a signal to pass on; when the line is cut, it ends. In the other direction it
/// sends a ``CommandNotice`` when a signal has stopped or ended the command. Another line leads to the ``PrivateHost``.
/// Only this process, which does not have the device open, reaches the host's files by their paths.
public final class PrivateCommand: Sendable {
    private struct State: Sendable {
        /// The PID of the command, while it runs.
        var command: pid_t?
    }

    /// Signals that are passed on, but do not end this process if there is no command.
    private static let endingNobody = [SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT]
    /// The byte that the host sends when it answers.
    static let hostAnswers = UInt8(ascii: "R")

    private let state = Mutex(State())
    private let line: Int32
    private let host: Int32
    private let inherited: InheritedSignals

    /// Must be called before the process has a second thread.
    /// - Parameters:
    ///   - line: the child's end of a ``ParentLine``.
    ///   - host: the line to the ``PrivateHost``.
    /// - Throws: ``RunError/byHand`` if nobody made the lines, or this is not the first process of a namespace.
    public init(line: Int32, host: Int32) throws(RunError) {
        guard getpid() == 1, getppid() == 0, ParentLine.isHere(line) else { throw .byHand }
        self.line = line
        self.host = host
        inherited = InheritedSignals()
        for descriptor in [line, host] { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        PrivateNamespace.endWithParent()
        InheritedSignals.blockAll()
    }

    /// Waits for the host, shows it, runs the command until it ends, and ends everything else that the command started.
    /// - Parameters:
    ///   - command: the command and its arguments, as execve(2) takes them.
    ///   - warn: called with a warning for the user.
    /// - Returns: the command's exit status, or 128 plus the number of the signal that ended it.
    public func run(
        _ command: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>,
        warn: (String) -> Void
    ) throws(RunError) -> Int32 {
        try startListening()
        // As bytes: names of folders need not be text.
        let folder = getcwd(nil, 0)
        defer { free(folder) }
        waitForHost()
        if let error = KernelPaths.showProcesses() { warn(Self.warning(error)) }
        try KernelPaths.show()
        // In a covered folder, the command would otherwise still see the old one.
        if let folder { chdir(folder) }
        PrivateNamespace.giveUpMounting()
        return waitFor(try start(command))
    }

    private static func warning(_ error: Errno) -> String {
        "/proc: mount: \(error). It still shows the processes outside: /proc/$$ is another process than the command's. "
            + "Parts of /proc are hidden here, as in most containers; run this as root, or where nothing is"
    }

    /// Waits until the host answers. If it fails, the process that started both reports why, and ends this one.
    private func waitForHost() {
        var byte: UInt8 = 0
        var count = read(host, &byte, 1)
        while count < 0 && errno == EINTR { count = read(host, &byte, 1) }
        while count != 1 { pause() }
    }

    private func start(_ command: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) throws(RunError) -> pid_t {
        guard let program = command[0] else { throw .notStarted(command: "", .noSuchFile) }
        // A signal that arrives now is passed on to the process that is just being created.
        nonisolated(unsafe) let (program_, vector) = (program, command)
        let started = state.withLock { state -> Result<pid_t, RunError> in
            var process = pid_t()
            let failure = inherited.handOn { attributes in
                posix_spawnp(&process, program_, nil, &attributes, vector, environ)
            }
            guard failure == 0 else {
                return .failure(.notStarted(command: String(cString: program_), Errno(rawValue: failure)))
            }
            state.command = process
            return .success(process)
        }
        return try started.get()
    }

    /// Waits for the command, and reaps all orphans in the meantime. Reports when the command is stopped: until then it
    /// may read from its terminal.
    private func waitFor(_ process: pid_t) -> Int32 {
        while true {
            var status: Int32 = 0
            let ended = waitpid(-1, &status, WUNTRACED)
            if ended < 0 && errno == EINTR { continue }
            guard ended == process else { continue }
            let stopped: Int32 = 0x7F
            if status & 0xFF == stopped {
                CommandNotice.stopped(by: (status >> 8) & 0xFF).tell(on: line)
                continue
            }
            state.withLock { $0.command = nil }
            let signal = status & 0x7F
            if signal == 0 { return (status >> 8) & 0xFF }
            CommandNotice.ended(by: signal).tell(on: line)
            return 128 + signal
        }
    }

    // MARK: The line

    private func startListening() throws(RunError) {
        var thread = pthread_t()
        let reference = Unmanaged.passRetained(self)
        let failure = pthread_create(&thread, nil, listenToLine, reference.toOpaque())
        if failure != 0 {
            reference.release()
            throw .noProcess(call: "pthread_create", Errno(rawValue: failure))
        }
        pthread_detach(thread)
    }

    /// Passes on each signal that arrives on the line; ends when the line is cut.
    fileprivate func listen() {
        var byte: UInt8 = 0
        while true {
            let count = read(line, &byte, 1)
            if count < 0 && errno == EINTR { continue }
            guard count == 1 else { _exit(128 + SIGKILL) }
            let signal = Int32(byte)
            let isPassedOn = state.withLock { state in
                guard let command = state.command else { return false }
                return kill(command, signal) == 0
            }
            // There is no command yet, or none any more: nobody else will end this process.
            if !isPassedOn && !Self.endingNobody.contains(signal) { _exit(128 + signal) }
        }
    }
}

private func listenToLine(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    Unmanaged<PrivateCommand>.fromOpaque(argument).takeRetainedValue().listen()
    return nil
}
