// SPDX-License-Identifier: Apache-2.0
// The first process of a private namespace: it serves the host's tree at the kernel's paths, runs the command there,
// and its end is the end of everything in the namespace.

import Glibc
import Synchronization

/// Runs a command on a host that only the command sees.
///
/// Process 1 of its process namespace: the kernel ends all others in there with it, and with the last of them the
/// mounts go. It has one line to the process that started it: a byte for each signal to pass on; when the line is cut,
/// it ends. Back comes a ``CommandNotice`` when a signal stops the command, or has ended it.
public final class PrivateHost: Sendable {
    private struct State: Sendable {
        /// The command's process, while it runs.
        var command: pid_t?
    }

    /// Signals that are passed on and that do not end a host without a command.
    private static let endingNobody = [SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT]

    private let state = Mutex(State())
    private let line: Int32
    private let inherited: InheritedSignals

    /// To be called before the process has a second thread.
    /// - Parameter line: the descriptor of the line to the process that started this one.
    public init(line: Int32) {
        self.line = line
        inherited = InheritedSignals()
        _ = fcntl(line, F_SETFD, FD_CLOEXEC)
        PrivateNamespace.endWithParent()
        InheritedSignals.blockAll()
    }

    /// Shows the tree, runs the command until it ends, and ends everything else that it started.
    /// - Parameter root: a tree with the folders `config` and `debug`, as ``HostTree/kernelTree(of:owner:)`` makes it.
    /// - Returns: the command's exit status, or 128 and the number of the signal that ended it.
    public func run(
        _ command: [String],
        on root: Directory,
        faults: FaultTable,
        options: MountOptions
    ) throws(RunError) -> Int32 {
        try startListening()
        let folder = workingFolder
        try KernelPaths.prepare()
        let mount: Mount
        do {
            let point = try MountPoint(ownNamespace: KernelPaths.config)
            mount = try Mount(root, at: point, options: options, faults: faults) {}
            try mount.start()
        } catch {
            throw .notMounted(error)
        }
        return try withExtendedLifetime(mount) { () throws(RunError) in
            try KernelPaths.show()
            // Below a folder that was covered, the old one would be seen.
            if let folder { chdir(folder) }
            PrivateNamespace.giveUpMounting()
            let process = try start(command)
            return waitFor(process)
        }
    }

    private var workingFolder: String? {
        guard let path = getcwd(nil, 0) else { return nil }
        defer { free(path) }
        return String(cString: path)
    }

    private func start(_ command: [String]) throws(RunError) -> pid_t {
        var vector: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
        vector.append(nil)
        defer { for argument in vector { free(argument) } }
        // A signal that comes meanwhile is passed on to the process that is just being made.
        let started = state.withLock { state -> Result<pid_t, RunError> in
            var process = pid_t()
            let failure = inherited.handOn { attributes in
                posix_spawnp(&process, command[0], nil, &attributes, vector, environ)
            }
            guard failure == 0 else {
                return .failure(.notStarted(command: command[0], Errno(rawValue: failure)))
            }
            state.command = process
            return .success(process)
        }
        return try started.get()
    }

    /// Waits for the command, and takes leave of all processes whose parents have gone meanwhile. Tells when the
    /// command is stopped: until then it may read from its terminal.
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

    /// Passes on each signal that comes over the line; ends with it.
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
            // There is no command yet, or none any more: nobody else will end this.
            if !isPassedOn && !Self.endingNobody.contains(signal) { _exit(128 + signal) }
        }
    }
}

private func listenToLine(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    Unmanaged<PrivateHost>.fromOpaque(argument).takeRetainedValue().listen()
    return nil
}

/// What a process was given as its signals, for the command that takes its place.
private struct InheritedSignals: Sendable {
    private let blocked: sigset_t
    /// Which of the signals are ignored that this process handles in a way of its own.
    private let ignored: [Int32]

    private static let ownHandling = [SIGPIPE, SIGUSR1, SIGCHLD]

    init() {
        var blocked = sigset_t()
        pthread_sigmask(SIG_SETMASK, nil, &blocked)
        self.blocked = blocked
        ignored = Self.ownHandling.filter { number in
            var action = sigaction()
            sigaction(number, nil, &action)
            return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1  // SIG_IGN
        }
    }

    /// Blocks all that ends or stops a process: they are for the command. A client that goes away while it is answered
    /// must not end the host either.
    static func blockAll() {
        var all = sigset_t()
        sigfillset(&all)
        for signal in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT] { sigdelset(&all, signal) }
        pthread_sigmask(SIG_SETMASK, &all, nil)
        signal(SIGPIPE, SIG_IGN)
        signal(SIGCHLD, SIG_DFL)
    }

    /// Runs `spawn` so that the process that it makes has the signals as they were given to this one.
    func handOn<Result>(_ spawn: (_ attributes: inout posix_spawnattr_t) -> Result) -> Result {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var mask = blocked
        posix_spawnattr_setsigmask(&attributes, &mask)
        var defaults = sigset_t()
        sigemptyset(&defaults)
        for number in Self.ownHandling where !ignored.contains(number) { sigaddset(&defaults, number) }
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        // What is to be ignored can only be inherited. Meanwhile nothing here is missed: the host is not being ended.
        let before = ignored.map { number in
            var action = sigaction()
            sigaction(number, nil, &action)
            signal(number, SIG_IGN)
            return (number, action)
        }
        defer {
            for (number, action) in before {
                var action = action
                sigaction(number, &action, nil)
            }
        }
        return spawn(&attributes)
    }
}

extension MountPoint {
    /// A folder of a private namespace, in which there is nothing of anybody else to be careful with.
    fileprivate init(ownNamespace path: String) throws(MountError) {
        if access("/dev/fuse", R_OK | W_OK) != 0 { throw .noDevice(.current) }
        self.path = path
    }
}
