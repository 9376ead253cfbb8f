import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Health, HealthCheckResponse_ServingStatus as Status } from "@shoal/contracts/grpc/health/v1/health";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from "@shoal/contracts/grpc/reflection/v1/reflection";
import { ServerReflection as ServerReflectionAlpha } from "@shoal/contracts/grpc/reflection/v1alpha/reflection";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { isAppError } from "@shoal/kernel";
import { createClient } from "../client/client.ts";
import { implement } from "./handlers.ts";
import { createServer } from "./server.ts";

async function start(t: TestContext) {
  const never = () => assert.fail("nobody calls this");
  const handlers = Object.fromEntries(UserService.methods.map(({ localName }) => [localName, never]));
  const server = createServer({ services: [implement(UserService, handlers as never)], errorDomain: "shoal.test" });
  t.after(() => server.drain(0));
  const options = { address: `127.0.0.1:${await server.listen({ host: "127.0.0.1", port: 0 })}` };
  const health = createClient(Health, options);
  const reflection = createClient(ServerReflection, options);
  const alpha = createClient(ServerReflectionAlpha, options);
  t.after(() => {
    for (const client of [health, reflection, alpha]) client[Symbol.dispose]();
  });
  const ask = async (request: ServerReflectionRequest["messageRequest"]) => {
    const asked = (async function* () {
      yield { host: "h", messageRequest: request };
    })();
    const answers: ServerReflectionResponse["messageResponse"][] = [];
    for await (const { messageResponse } of reflection.serverReflectionInfo(asked)) answers.push(messageResponse);
    assert.equal(answers.length, 1);
    return answers[0];
  };
  const filesFor = async (request: ServerReflectionRequest["messageRequest"]) => {
    const answer = await ask(request);
    assert.equal(answer?.case, "fileDescriptorResponse");
    return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
  };
  return { server, health, alpha, ask, filesFor };
}

test("health is SERVING for the server and each of its services, and NOT_FOUND for another", async (t) => {
  const { health } = await start(t);
  for (const service of ["", "shoal.user.v1.UserService"])
    assert.equal((await health.check({ service })).status, Status.SERVING);
  await assert.rejects(health.check({ service: "none" }), (error) => isAppError(error) && error.kind === "missing");
  const { statuses } = await health.list({});
  assert.deepEqual(Object.keys(statuses).toSorted(), ["", "shoal.user.v1.UserService"]);
});

test("who watches the health sees NOT_SERVING when the server begins to drain", async (t) => {
  const { health, server } = await start(t);
  const watching = health.watch({ service: "" });
  assert.equal((await watching.next()).value?.status, Status.SERVING);
  const unknown = health.watch({ service: "none" });
  assert.equal((await unknown.next()).value?.status, Status.SERVICE_UNKNOWN);
  const drained = server.drain(10_000);
  assert.equal((await watching.next()).value?.status, Status.NOT_SERVING);
  assert.deepEqual(await drained, { forced: false });
});

test("reflection lists the services", async (t) => {
  const { ask } = await start(t);
  const answer = await ask({ case: "listServices", value: "" });
  assert.equal(answer?.case, "listServicesResponse");
  assert.deepEqual(answer.value.service.map(({ name }) => name).toSorted(), [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "shoal.user.v1.UserService",
  ]);
});

test("reflection finds a file by name and by every kind of symbol, with all that it imports", async (t) => {
  const { filesFor } = await start(t);
  const file = "shoal/user/v1/user_service.proto";
  const symbols = ["UserService", "UserService.GetUser", "User", "User.email", "UserStatus", "USER_STATUS_ACTIVE"];
  const requests = [
    { case: "fileByFilename" as const, value: file },
    ...symbols.map((name) => ({ case: "fileContainingSymbol" as const, value: `shoal.user.v1.${name}` })),
  ];
  for (const request of requests) {
    const files = await filesFor(request);
    assert.equal(files[0], file, request.value);
    assert.ok(files.includes("buf/validate/validate.proto") && files.includes("google/protobuf/timestamp.proto"));
  }
});

test("reflection knows the extensions of a message", async (t) => {
  const { ask, filesFor } = await start(t);
  const containingType = "google.protobuf.FieldOptions";
  const answer = await ask({ case: "allExtensionNumbersOfType", value: containingType });
  assert.equal(answer?.case, "allExtensionNumbersResponse");
  assert.deepEqual(answer.value.extensionNumber.toSorted(), [1159, 1160]);
  const value = { $typeName: "grpc.reflection.v1.ExtensionRequest" as const, containingType, extensionNumber: 1159 };
  const files = await filesFor({ case: "fileContainingExtension", value });
  assert.equal(files[0], "buf/validate/validate.proto");
});

test("reflection says NOT_FOUND in the answer for what it does not know", async (t) => {
  const { ask } = await start(t);
  const questions = [
    { case: "fileByFilename" as const, value: "none.proto" },
    { case: "fileContainingSymbol" as const, value: "none.None" },
    { case: "allExtensionNumbersOfType" as const, value: "none.None" },
  ];
  for (const question of questions) {
    const answer = await ask(question);
    assert.equal(answer?.case === "errorResponse" && answer.value.errorCode, 5, question.value);
  }
});

test("reflection v1alpha answers the same", async (t) => {
  const { alpha } = await start(t);
  const asked = (async function* () {
    yield { messageRequest: { case: "listServices" as const, value: "" } };
  })();
  for await (const { messageResponse } of alpha.serverReflectionInfo(asked))
    assert.equal(messageResponse.case === "listServicesResponse" && messageResponse.value.service.length, 4);
});

test("a watch that was left leaves nothing behind", async (t) => {
  const { health } = await start(t);
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const watchAndLeave = async (times: number) => {
    for (let n = 0; n < times; n += 1) for await (const _ of health.watch({ service: "" })) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = await watchAndLeave(300);
  const after = await watchAndLeave(1_000);
  // What leaked was 7 KB a watch.
  assert.ok(after - before < 3_000_000, `${after - before} bytes more after 1,000 watches`);
});
