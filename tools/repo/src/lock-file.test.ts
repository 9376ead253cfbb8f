import assert from "node:assert/strict";
import { test } from "node:test";
import { missingEntries } from "./lock-file.ts";

test("answers the entries that the platforms' missing packages need", () => {
  const packages = {
    "": {},
    "node_modules/buf": {
      dev: true,
      optionalDependencies: { "buf-linux-x64": "1.0.0", "buf-darwin-arm64": "1.0.0", "buf-linux-armv7": "1.0.0" },
    },
    "node_modules/buf-linux-x64": { version: "1.0.0", optional: true },
    "node_modules/oxc": {
      optionalDependencies: { "@oxc/b-linux-arm-musleabihf": "2.0.0", "@oxc/b-win32-x64-msvc": "2.0.0" },
    },
    "node_modules/oxc/node_modules/@oxc/b-win32-x64-msvc": { version: "2.0.0" },
  };
  assert.deepEqual(missingEntries({ packages }), {
    "node_modules/buf-darwin-arm64": { version: "1.0.0", cpu: ["arm64"], dev: true, optional: true, os: ["darwin"] },
    "node_modules/buf-linux-armv7": { version: "1.0.0", cpu: ["arm"], dev: true, optional: true, os: ["linux"] },
    "node_modules/@oxc/b-linux-arm-musleabihf": {
      version: "2.0.0",
      cpu: ["arm"],
      libc: ["musl"],
      optional: true,
      os: ["linux"],
    },
  });
});

test("refuses a missing package whose name says no platform", () => {
  const packages = { "node_modules/a": { optionalDependencies: { fsevents: "2.0.0" } } };
  assert.throws(() => missingEntries({ packages }), /fsevents/);
});
