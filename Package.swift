// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
// The products: the machine as a library, the file system as a library, the `rmpfs` command, and `oracle-tree`, the
// second tree on which recordings of a real kernel are checked.

import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
    name: "rmpfs",
    products: [
        .library(name: "RMPModel", targets: ["RMPModel"]),
        .library(name: "RMPModelTestSupport", targets: ["RMPModelTestSupport"]),
        .library(name: "RMPImage", targets: ["RMPImage"]),
        .library(name: "RMPFS", targets: ["RMPFS"]),
        .library(name: "MachineFile", targets: ["MachineFile"]),
        .library(name: "PolicyLab", targets: ["PolicyLab"]),
        .executable(name: "rmpfs", targets: ["RMPCommand"]),
        .executable(name: "oracle-tree", targets: ["OracleTree"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .systemLibrary(name: "CFuse", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
        .systemLibrary(name: "CProcessor"),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(
            name: "RMPModel",
            dependencies: [.product(name: "HeapModule", package: "swift-collections")],
            swiftSettings: strict
        ),
        .target(name: "RMPModelTestSupport", dependencies: ["RMPModel"], swiftSettings: strict),
        .target(name: "CEntries"),
        .target(name: "CMapping"),
        .target(name: "RMPImage", dependencies: ["CEntries", "CMapping", "RMPModel"], swiftSettings: strict),
        .target(name: "Recording", dependencies: ["CZlib", "RMPModel"], swiftSettings: strict),
        .target(name: "RMPFS", dependencies: ["CFuse", "RMPImage", "RMPModel"], swiftSettings: strict),
        .target(
            name: "MachineFile",
            dependencies: ["RMPModel", .product(name: "Yams", package: "Yams")],
            swiftSettings: strict
        ),
        .target(name: "PolicyLab", dependencies: ["MachineFile", "RMPModel"], swiftSettings: strict),
        .executableTarget(
            name: "RMPCommand",
            dependencies: [
                "CProcessor", "MachineFile", "PolicyLab", "RMPFS", "RMPImage", "RMPModel", "Recording",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict
        ),
        .executableTarget(name: "OracleTree", dependencies: ["RMPFS", "RMPModel"], swiftSettings: strict),
        .testTarget(
            name: "RMPModelTests",
            dependencies: [
                "RMPModel", "RMPModelTestSupport", .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "RMPModelPageTests",
            dependencies: ["RMPModel", "RMPModelTestSupport"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "RecordingTests",
            dependencies: ["RMPModel", "RMPModelTestSupport", "Recording"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "RMPImageTests",
            dependencies: ["CEntries", "RMPImage", "RMPModel", "RMPModelTestSupport"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "RMPFSTests",
            dependencies: ["RMPFS", "RMPModel", "RMPModelTestSupport"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "MachineFileTests",
            dependencies: ["MachineFile", "RMPFS", "RMPModel", "RMPModelTestSupport"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "PolicyLabTests",
            dependencies: ["PolicyLab", "RMPModel", "RMPModelTestSupport"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "RMPCommandTests",
            dependencies: ["RMPCommand", "RMPFS", "RMPModel", "RMPModelTestSupport"],
            exclude: ["Golden"],
            swiftSettings: strict
        ),
    ]
)
