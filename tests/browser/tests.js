// SPDX-License-Identifier: MIT
// What tests may say of themselves: that they cannot run here, or that they depend on time.

import assert from "node:assert/strict";
import {test} from "node:test";

const ATTEMPTS = 3;

/** True when the test can run. Else it is skipped, but failed under CI, where `missing` says why. */
export function require(t, missing) {
    if (!missing)
        return true;
    assert.notEqual(process.env.CI, "true", `cannot run in CI: ${missing}`);
    t.skip(missing);
    return false;
}

/** A test that says how fast something is, which other work on the machine makes untrue: the only
 * kind that is repeated, twice at most. scripts/test counts what is printed here. */
export function timing(name, run) {
    test(name, async (t) => {
        t.diagnostic(`timing tests run: 1`);
        for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
            try {
                return await run(t);
            } catch (error) {
                t.diagnostic(`timing test repeated: ${name} (${error.message.split("\n")[0]})`);
            }
        }
        await run(t);
    });
}
