import assert from "node:assert/strict";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { type TestContext, test } from "node:test";
import {
  type CertificateAndKey,
  createAuthority,
  replaceFile,
  temporaryDirectory,
  writeTlsFiles,
} from "@shoal/testkit";
import { WatchedCertificates } from "./certificate-files.ts";

/** So seldom that nothing is read again while a test runs. */
const seldom = 86_400_000;

async function files(t: TestContext) {
  const directory = await temporaryDirectory(t);
  const authority = await createAuthority("Authority");
  const issue = () => authority.issue({ commonName: "holder" });
  const own = await issue();
  const paths = await writeTlsFiles(directory, "holder", own, authority);
  const replace = (pair: CertificateAndKey) => writeTlsFiles(directory, "holder", pair, authority);
  return { paths, own, issue, replace };
}

/** Listens once, as a channel does that connects and rests again; answers the certificate that it is told. */
async function listenOnce(watched: WatchedCertificates): Promise<string | undefined> {
  const told = Promise.withResolvers<string | undefined>();
  const listener: Parameters<WatchedCertificates["addIdentityCertificateListener"]>[0] = (update) =>
    told.resolve(update?.certificate.toString());
  watched.addIdentityCertificateListener(listener);
  const certificate = await told.promise;
  watched.removeIdentityCertificateListener(listener);
  return certificate;
}

test("files that were replaced while nobody used them are read when somebody does again", async (t) => {
  const { paths, own, issue, replace } = await files(t);
  const watched = new WatchedCertificates(paths, seldom, assert.fail);
  assert.equal(await listenOnce(watched), own.certificate);
  for (const next of [await issue(), await issue()]) {
    await replace(next);
    assert.equal(await listenOnce(watched), next.certificate);
  }
});

test("files that were spoilt while nobody used them are told of, and the last good ones are used", async (t) => {
  const { paths, own } = await files(t);
  const errors: Error[] = [];
  const watched = new WatchedCertificates(paths, seldom, (error) => errors.push(error));
  const spoilers = [() => writeFile(paths.certFile, ""), () => rm(paths.caFile)];
  for (const spoil of spoilers) {
    await spoil();
    assert.equal(await listenOnce(watched), own.certificate);
  }
  assert.equal(errors.length, 2);
  assert.match(String(errors[0]?.cause), /the certificate file .*holder\.crt must hold certificates in PEM/);
  assert.match(String(errors[1]?.cause), /the file of authorities .*holder\.ca cannot be read/);
});

test("whoever listens is told of new files within the time set, and not of the same ones again", async (t) => {
  const { paths, own, issue } = await files(t);
  const watched = new WatchedCertificates(paths, 100, () => {});
  const told: (string | undefined)[] = [];
  const changed = new EventTarget();
  watched.addIdentityCertificateListener((update) => {
    told.push(update?.certificate.toString());
    changed.dispatchEvent(new Event("told"));
  });
  await once(changed, "told");
  const next = await issue();
  await replaceFile(paths.certFile, next.certificate);
  const again = once(changed, "told");
  await replaceFile(paths.keyFile, next.key);
  await again;
  assert.deepEqual(told, [own.certificate, next.certificate]);
});
