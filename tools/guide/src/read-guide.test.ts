import assert from "node:assert/strict";
import { test } from "node:test";
import { isShown, readGuide } from "./read-guide.ts";

const guide = `# Title

\`inline\` code is prose.

## One

\`\`\`sh
npm start
\`\`\`

\`\`\`text
…
ready
\`\`\`

\`\`\`sh fails
false
\`\`\`

Press Ctrl-C, then:

\`\`\`diff
--- a/one
\`\`\`
`;

test("a guide is read as what its reader is to do, section by section", () => {
  assert.deepEqual(readGuide(guide), [
    { title: "Title", steps: [] },
    {
      title: "One",
      steps: [
        { kind: "start", line: 7, command: "npm start", shows: "…\nready" },
        { kind: "run", line: 16, commands: "false", fails: true, shows: undefined },
        { kind: "stop", line: 20 },
        { kind: "change", line: 22, diff: "--- a/one\n" },
      ],
    },
  ]);
});

test("what nobody knows how to execute is refused, with its line", () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ["# A\n```ts\n1\n```\n", /line 2: .*"ts"/],
    ["# A\n```\nls\n```\n", /line 2: .*""/],
    ["# A\n```text\nnobody said it\n```\n", /line 2: .*"text"/],
    ["# A\n```sh\nls\n```\n```text\na\n```\n```text\nb\n```\n", /line 8: .*"text"/],
    ["# A\n~~~sh\nls\n~~~\n", /line 2/],
    ["# A\n- b\n  ```sh\n  ls\n  ```\n", /line 3/],
    ["# A\n\n    ls\n", /line 3/],
    ["# A\n```sh\nls\n", /line 2: .* not closed/],
    ["```sh\nls\n```\n", /line 1: .* before the first heading/],
    ["# A\n```sh\nnpm start\n```\n", /line 2: .* must say what is to be seen/],
  ];
  for (const [markdown, message] of refused) assert.throws(() => readGuide(markdown), { message });
});

test("an output is compared from its first line to its last, but for what is left out", () => {
  const output = "one 1\n\n  two   2\nthree 3.5\n";
  for (const shows of [
    "one 1\ntwo 2\nthree 3.5",
    "…\nthree 3.5",
    "one …\n…",
    "…\ntwo 2\n…",
    "…\none 1\n…\nthree 3…\n…",
  ])
    assert.ok(isShown(shows, output), shows);
  for (const shows of ["one 1", "two 2\n…", "…\ntwo 2", "one 1\nthree 3.5", "…\nthree 3x5", "…\nthree\n…"])
    assert.ok(!isShown(shows, output), shows);
});
