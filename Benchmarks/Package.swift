// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
// The benchmarks that run in one process, in a separate package so that users of rmpfs need not fetch their tools.

import PackageDescription

let package = Package(
    name: "rmpfs-benchmarks",
    platforms: [.macOS(.v14)],
    dependencies: [
        .package(name: "rmpfs", path: ".."),
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
    ],
    targets: [
        .executableTarget(
            name: "Machine",
            dependencies: [
                .product(name: "Benchmark", package: "benchmark"),
                .product(name: "RMPFS", package: "rmpfs"),
                .product(name: "RMPModel", package: "rmpfs"),
            ],
            path: "Machine",
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]
        ),
        .executableTarget(
            name: "Scale",
            dependencies: [
                .product(name: "RMPFS", package: "rmpfs"),
                .product(name: "RMPModel", package: "rmpfs"),
            ],
            path: "Scale"
        ),
    ]
)
