// SPDX-License-Identifier: Apache-2.0
// Repeatable random tests: RMPFS_TEST_SEED=NUMBER repeats a failing run.

import RMPModelTestSupport

/// The generator of all tests.
typealias Random = RMPModelTestSupport.Random

/// The seed of this run.
let testSeed = Random.seed(otherwise: .random(in: 1...999_999_999))
