import assert from "node:assert/strict";
import { test } from "node:test";
import { repositoryRoot } from "@shoal/services";
import { FsTree } from "nx/src/generators/tree";
import { libGenerator } from "./lib/generator.ts";
import { removeServiceGenerator } from "./remove-service/generator.ts";
import { rpcGenerator } from "./rpc/generator.ts";
import { serviceGenerator } from "./service/generator.ts";

const repository = () => new FsTree(repositoryRoot, false);

/** A service that nobody has generated here. */
const unheard = { name: "unheard" };
const refused: readonly (readonly [(tree: FsTree) => Promise<unknown>, RegExp])[] = [
  [(tree) => serviceGenerator(tree, { name: "user" }), /^there is a service user already$/],
  [
    (tree) => serviceGenerator(tree, { name: "Pay-ment" }),
    /^"Pay-ment" cannot be a service's name: one word .* such as payment$/,
  ],
  [(tree) => serviceGenerator(tree, { name: "echo" }), /^"echo" means something else here/],
  [(tree) => serviceGenerator(tree, { name: "omit" }), /^"omit" means something else here/],
  [(tree) => serviceGenerator(tree, { name: "extend" }), /^"extend" means something else here/],
  [(tree) => serviceGenerator(tree, { name: "PaymentGateway" }), /such as paymentgateway$/],
  [(tree) => serviceGenerator(tree, { name: "kernel" }), /^there is libs\/kernel already/],
  [(tree) => serviceGenerator(tree, { ...unheard, calls: "usr" }), /^there is no service usr; there are user, inve/],
  [(tree) => serviceGenerator(tree, { ...unheard, calls: "gateway" }), /^there is no service gateway; there are/],
  [(tree) => serviceGenerator(tree, { ...unheard, methods: "pay" }), /^"pay" cannot be a method's name/],
  [
    (tree) => serviceGenerator(tree, { name: "product", calls: "inventory" }),
    /^--calls inventory would give a product two things that are called product/,
  ],
  [
    (tree) => serviceGenerator(tree, { ...unheard, methods: "ListUnheard" }),
    /^the method that lists is called ListUnheards here/,
  ],
  [(tree) => rpcGenerator(tree, { service: "order", method: "GetOrder" }), /^OrderService has GetOrder already$/],
  [(tree) => rpcGenerator(tree, { service: "order", method: "refund" }), /^"refund" cannot be a method's name/],
  [
    (tree) => rpcGenerator(tree, { service: "orders", method: "RefundOrder" }),
    /^there is no service orders; there are user/,
  ],
  [(tree) => libGenerator(tree, { name: "kernel", layer: 1, answers: "" }), /^there is a kernel already/],
  [(tree) => libGenerator(tree, { name: "Spread", layer: 1, answers: "" }), /^"Spread" cannot be a library's name/],
  [
    (tree) => libGenerator(tree, { name: "tools-deploy", layer: 1, answers: "" }),
    /^there is a package @shoal\/tools-deploy/,
  ],
  [(tree) => libGenerator(tree, { name: "unheard", layer: 9, answers: "" }), /^there is no layer 9: 0 to 4/],
  [(tree) => removeServiceGenerator(tree, { name: "gateway" }), /^gateway is the door to all services: it must stay$/],
  [(tree) => removeServiceGenerator(tree, { name: "user" }), /^user is called by order.*: that must end first$/],
  [(tree) => removeServiceGenerator(tree, unheard), /^there is no service unheard; there are user/],
];
for (const [generate, message] of refused)
  test(`it is refused, and nothing is written: ${message.source}`, async () => {
    const tree = repository();
    await assert.rejects(generate(tree), { message });
    assert.deepEqual(tree.listChanges(), []);
  });

test("a library is in its layer, in the lock file and in the list of libraries", async () => {
  const tree = repository();
  await libGenerator(tree, { name: "unheard", layer: 2, answers: "How is work spread?" });
  const changed = tree.listChanges().map(({ type, path }) => `${type} ${path}`);
  assert.deepEqual(changed.sort(), [
    "CREATE libs/unheard/README.md",
    "CREATE libs/unheard/package.json",
    "CREATE libs/unheard/src/index.ts",
    "UPDATE README.md",
    "UPDATE package-lock.json",
    "UPDATE tools/repo/layers.json",
  ]);
  const read = (path: string) => tree.read(path, "utf8") ?? "";
  assert.ok(JSON.parse(read("tools/repo/layers.json")).layers[2].includes("unheard"));
  assert.deepEqual(JSON.parse(read("package-lock.json")).packages["node_modules/@shoal/unheard"], {
    resolved: "libs/unheard",
    link: true,
  });
  assert.match(read("README.md"), /\| \[unheard\]\(libs\/unheard\) \| How is work spread\? \|/);
});
