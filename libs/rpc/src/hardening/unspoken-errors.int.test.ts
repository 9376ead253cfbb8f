import assert from "node:assert/strict";
import { test } from "node:test";
import { Metadata } from "@grpc/grpc-js";
import { AppError, isAppError } from "@shoal/kernel";
import type { HandlerContext } from "../server/handlers.ts";
import { framed, goodRequest, http2Codes, paths, repeatRequest } from "./raw-client.ts";
import { eventually, startTested } from "./tested-server.ts";

const secret = "hunter2";
const sql = `select * from users where password = '${secret}'`;
const withStack = Object.assign(new TypeError(sql), { code: secret, details: secret, metadata: new Metadata() });
withStack.metadata.set("x-secret", secret);

/** What a handler may throw without meaning to say it. */
const thrown: Readonly<Record<string, () => unknown>> = {
  "an Error": () => new Error(sql),
  "an error with a status of its own": () => withStack,
  "an error with a cause": () => new Error("failed", { cause: new Error(sql) }),
  "many errors": () => new AggregateError([new Error(sql)], secret),
  text: () => secret,
  nothing: () => undefined,
  null: () => null,
  "an object": () => ({ code: 5, details: secret, message: secret }),
  "an object that cannot be looked at": () =>
    new Proxy(new Error(secret), {
      get: () => {
        throw new Error(secret);
      },
    }),
  "an error that is internal, and says so": () =>
    new AppError({ kind: "internal", reason: "BROKEN", domain: "shoal.test", message: sql, metadata: { sql } }),
};

/** When it is thrown. */
const moments = ["at once", "after the first answer", "on the way out"] as const;

for (const [name, make] of Object.entries(thrown))
  test(`${name} that a handler throws says nothing to the caller, whatever the method and the moment`, async (t) => {
    const momentOf = ({ requestMetadata }: HandlerContext) => String(requestMetadata.get("x-moment"));
    async function* answers(context: HandlerContext) {
      const moment = momentOf(context);
      try {
        if (moment === "at once") throw make();
        yield { parcel: { name: "first" } };
        if (moment === "after the first answer") throw make();
      } finally {
        // biome-ignore lint/correctness/noUnsafeFinally: this is what is tested.
        if (moment === "on the way out") throw make();
      }
    }
    const tested = await startTested(t, {
      echo: (_, context) => {
        if (momentOf(context) === "at once") throw make();
        return Promise.reject(make());
      },
      collect: async (requests) => {
        for await (const _ of requests) throw make();
        return {};
      },
      repeat: (_, context) => answers(context),
      converse: (_, context) => answers(context),
    });
    const raw = tested.raw();
    for (const path of Object.values(paths))
      for (const moment of moments) {
        const reply = await raw.call(path, { headers: { "x-moment": moment }, body: goodRequest });
        assert.equal(reply.status, "INTERNAL");
        assert.match(reply.error.message, /^internal error; quote request id [\w-]{36} when you report it$/);
        assert.deepEqual([reply.error.reason, reply.error.metadata], ["INTERNAL", {}]);
        const details = Buffer.from(String(reply.fields["grpc-status-details-bin"] ?? ""), "base64").toString("latin1");
        const all = `${JSON.stringify(reply.fields)}${details}${reply.body.toString("latin1")}`;
        for (const word of [secret, "select", "users", ".ts:", "TypeError", "    at "])
          assert.ok(!all.includes(word), all);
      }
    await tested.stillServes(raw);
    assert.equal(tested.ends.length, Object.keys(paths).length * moments.length);
    for (const { code } of tested.ends) assert.equal(code, "INTERNAL");
  });

test("what the cause of an error says stays here, and the error itself is told", async (t) => {
  const tested = await startTested(t, {
    echo: () =>
      Promise.reject(
        new AppError({
          kind: "precondition",
          reason: "SOLD_OUT",
          domain: "shoal.test",
          message: "sold out",
          cause: new Error(sql),
        }),
      ),
  });
  const { status, error, fields } = await tested.raw().call(paths.echo, { body: goodRequest });
  assert.deepEqual([status, error.reason, error.message], ["FAILED_PRECONDITION", "SOLD_OUT", "sold out"]);
  const details = Buffer.from(String(fields["grpc-status-details-bin"] ?? ""), "base64").toString("latin1");
  assert.ok(!`${JSON.stringify(fields)}${details}`.includes(secret));
  await tested.stillServes();
});

test("an error after the caller has gone harms nobody", async (t) => {
  const release = Promise.withResolvers<void>();
  const failing = async () => {
    await release.promise;
    throw new Error(secret);
  };
  const tested = await startTested(t, {
    echo: failing,
    collect: failing,
    // biome-ignore lint/correctness/useYield: fails before its first answer.
    repeat: async function* () {
      await failing();
    },
    // biome-ignore lint/correctness/useYield: fails before its first answer.
    converse: async function* () {
      await failing();
    },
  });
  const raw = tested.raw();
  const streams = Object.values(paths).map((path) => raw.begin(path, { body: goodRequest }));
  await eventually(() => tested.entered.length === streams.length);
  for (const stream of streams) stream.close(http2Codes.CANCEL);
  await eventually(() => tested.entered.every(({ signal }) => signal.aborted));
  release.resolve();
  await tested.stillServes(raw);
  for (const { code } of tested.ends) assert.equal(code, "CANCELLED");
});

/** Messages, and what a caller reads of them where it is not the same. */
const texts: readonly (readonly [text: string, read?: string | RegExp])[] = [
  ["plain"],
  ["größer als erlaubt"],
  ["🐟 and 👩‍👩‍👧‍👦"],
  ["\ud800", "\ufffd"],
  ["a\udc00b\ud83d", "a\ufffdb\ufffd"],
  ["\udc1f\ud83d", "\ufffd\ufffd"],
  ["two\nlines\r\nand\tmore"],
  ["NUL \0 within, and at the end \0"],
  [" spaces around "],
  ["100 % of %41 and %zz and %"],
  ["%F0%9F%90%9F"],
  ["#;/?:@&=+$,-_.!~*'()[]{}<>\"\\^`|"],
  ["\u007f\u0080\u009f\u00a0\u00ad\u200b\u2028\ufeff\uffff"],
  ["", /^$|^the call ended with status/],
  ["x".repeat(100_000), /^x{900,}…$/],
  ["🐟".repeat(10_000), /^(🐟){50,}…$/],
  [" ".repeat(100_000), /^ {300,}…$/],
  ["\ud800".repeat(10_000), /^\ufffd{50,}…$/],
];

test("a status message of any text arrives as it was, in ASCII, and fits the trailers", async (t) => {
  const fail = (n: number) =>
    new AppError({
      kind: "invalid",
      reason: "TEXT",
      domain: "shoal.test",
      message: texts[n]?.[0] ?? "",
      violations: [{ field: texts[n]?.[0] ?? "", description: texts[n]?.[0] ?? "" }],
      metadata: { text: texts[n]?.[0] ?? "" },
    });
  const tested = await startTested(t, {
    echo: async ({ parcel }) => Promise.reject(fail(Number(parcel?.number))),
    repeat: async function* ({ parcel, count }) {
      yield { ...(parcel && { parcel }) };
      throw fail(Number(count));
    },
  });
  const raw = tested.raw();
  for (const [n, [text, read = text]] of texts.entries()) {
    const isRead = (message: string) => (typeof read === "string" ? message === read : read.test(message));
    const about = JSON.stringify(text.slice(0, 40));
    await assert.rejects(tested.client.echo({ parcel: { number: BigInt(n) } }), (error) => {
      assert.ok(isAppError(error, "TEXT"), about);
      assert.ok(isRead(error.message), `${about} became ${JSON.stringify(error.message.slice(0, 100))}`);
      return true;
    });
    const { status, message = "", fields } = await raw.call(paths.repeat, { body: repeatRequest(n, 0) });
    assert.equal(status, "INVALID_ARGUMENT", about);
    // Percent-encoded as gRPC asks for: space and visible ASCII, and % only with two digits after it.
    assert.match(message, /^(?:[ -$&-~]|%[0-9A-F]{2})*$/, about);
    assert.ok(isRead(decodeURIComponent(message)) || text === "", about);
    const size = Object.entries(fields).reduce(
      (sum, [name, value]) => sum + name.length + String(value).length + 32,
      0,
    );
    assert.ok(size <= 8_192, `${about}: ${size} bytes of headers and trailers`);
  }
  await tested.stillServes(raw);
});

test("the largest failure of the text that takes most room fits 8 KiB of trailers", async (t) => {
  for (const character of [" ", '"', "🐟", "ö", "\ud800", "\n", "%"]) {
    const text = character.repeat(10_000);
    const violations = Array.from({ length: 100 }, () => ({ field: "f", description: "d".repeat(150) }));
    const error = new AppError({
      kind: "invalid",
      reason: "R".repeat(60),
      domain: "shoal.test",
      message: text,
      violations,
    });
    const tested = await startTested(t, { echo: () => Promise.reject(error) });
    const { status, fields } = await tested.raw().call(paths.echo, { body: goodRequest });
    assert.equal(status, "INVALID_ARGUMENT");
    const size = Object.entries(fields).reduce(
      (sum, [name, value]) => sum + name.length + String(value).length + 32,
      0,
    );
    assert.ok(size <= 8_192, `${JSON.stringify(character)}: ${size} bytes`);
  }
});

test("an answer with half a character harms nobody", async (t) => {
  const tested = await startTested(t, {
    echo: async () => ({ parcel: { name: "a\ud800b" } }),
    repeat: async function* () {
      yield { parcel: { name: "a\ud800b" } };
    },
  });
  const raw = tested.raw();
  for (const path of [paths.echo, paths.repeat]) {
    const { status, body } = await raw.call(path, { body: framed(Buffer.alloc(0)) });
    assert.equal(status, "OK");
    assert.ok(body.includes("a\ufffdb"));
  }
  await tested.stillServes(raw);
});
