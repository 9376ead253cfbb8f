import assert from "node:assert/strict";
import { test } from "node:test";
import { machineTime, takenByOthers } from "./cpu-time.ts";

test("others have taken what was busy beside those that are measured", () => {
  assert.equal(takenByOthers({ busy: 100, total: 1_000 }, { busy: 900, total: 2_000 }, 600), 0.2);
  assert.equal(takenByOthers({ busy: 0, total: 0 }, { busy: 90, total: 1_000 }, 100), 0);
  assert.equal(takenByOthers({ busy: 5, total: 10 }, { busy: 5, total: 10 }, 0), 0);
});

test("the machine's time is of all its cores, and no more of it is busy than there is", () => {
  const { busy, total } = machineTime();
  assert.ok(busy >= 0 && total >= busy);
});
