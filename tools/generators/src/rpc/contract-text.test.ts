import assert from "node:assert/strict";
import { test } from "node:test";
import { addToBlock, messageBody } from "./contract-text.ts";

const proto = `service A {
  // Not a brace: }
  rpc Get(GetRequest) returns (GetResponse) {
    option x = "}";
  }
}

message GetRequest {
  string id = 1 [(rule) = {a: 1}]; /* } */
}

message GetResponse {}
`;

test("a message's body is what stands between its own braces", () => {
  assert.equal(messageBody(proto, "GetRequest"), "\n  string id = 1 [(rule) = {a: 1}]; /* } */\n");
  assert.equal(messageBody(proto, "GetResponse"), "");
  assert.equal(messageBody(proto, "Get"), undefined);
});

test("what is added to a block stands at its end", () => {
  const added = addToBlock(proto, "service A {", "  rpc B();\n");
  assert.ok(added.includes('    option x = "}";\n  }\n  rpc B();\n}\n\nmessage GetRequest'), added);
  assert.throws(() => addToBlock(proto, "service B {", ""), /there is no "service B \{"/);
  assert.throws(() => addToBlock("service A { {", "service A {", ""), /a brace is not closed/);
});
